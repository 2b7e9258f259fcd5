import gymnasium as gym
import msgspec
import mujoco
import pytest

from learned_envs.systems.describe_equipment import describe_equipment
from learned_envs.systems.equipment import Actuator, Equipment, MjcfSensor, Site, Tendon
from learned_envs.systems.equipment_check import check_equipment
from learned_envs.systems.reference import describe


def reference(name: str):
    env = gym.make(name)
    return describe_equipment(env.unwrapped.model), describe(env)


@pytest.mark.parametrize("name", ["Ant-v5", "Humanoid-v5", "Pusher-v5", "Reacher-v5"])
def test_equipment_is_read_back_from_json_and_fits_its_system(name):
    equipment, spec = reference(name)
    text = msgspec.json.encode(equipment.to_dict())
    assert Equipment.from_dict(msgspec.json.decode(text)) == equipment
    check_equipment(equipment, spec)


def test_what_no_quantity_needs_is_left_out():
    equipment, _ = reference("Hopper-v5")
    part = equipment.needed_for(["xpos", "cvel"])
    assert len(msgspec.json.encode(part)) < 100
    assert equipment.needed_for(["actuator_force"]).actuators == equipment.actuators


XML = """
<mujoco>
  <worldbody>
    <site name="far"/>
    <body name="arm">
      <joint name="a"/><geom size=".1"/><site name="tip"/><site name="unused"/>
    </body>
    <body name="ghost" mocap="true"/>
  </worldbody>
  <tendon><spatial name="rope"><site site="far"/><site site="tip"/></spatial></tendon>
  <actuator>
    <motor name="pull" tendon="rope"/>
    <general name="slow" joint="a" dyntype="filter" dynprm=".1"/>
  </actuator>
  <sensor>
    <gyro site="tip"/><tendonpos name="length" tendon="rope"/><actuatorpos actuator="slow"/>
  </sensor>
</mujoco>
"""


def test_indices_keep_their_meaning_where_parts_are_left_out():
    equipment = describe_equipment(mujoco.MjModel.from_xml_string(XML))
    one = equipment.needed_for(["sensor.0"])
    assert [site and site.name for site in one.sites] == [None, "tip", None]
    assert [sensor is not None for sensor in one.sensors] == [True, False, False]
    assert not one.tendons
    rope = equipment.needed_for(["sensor.length"])
    assert [site and site.name for site in rope.sites] == ["far", "tip", None]
    # All actuators, so that none is missing from MuJoCo's arrays of them.
    assert None not in equipment.needed_for(["sensor.2"]).actuators
    slow = equipment.needed_for(["act"])
    assert [actuator and actuator.name for actuator in slow.actuators] == [None, "slow"]
    assert equipment.mocap == one.mocap == (2,)


def test_unsupported_parts_are_marked():
    model = mujoco.MjModel.from_xml_string(
        """
        <mujoco>
          <worldbody>
            <geom name="drum" type="cylinder" size=".1 .1"/><site name="far" pos="1 0 0"/>
            <body name="arm" pos="0 1 0">
              <joint name="a"/><geom size=".1"/><site name="tip"/>
            </body>
          </worldbody>
          <tendon>
            <spatial><site site="far"/><geom geom="drum"/><site site="tip"/></spatial>
          </tendon>
          <actuator>
            <general joint="a" gaintype="user" biastype="user" dyntype="user" actdim="1"/>
            <adhesion body="arm" ctrlrange="0 1"/>
            <general site="tip" refsite="far" gear="0 0 0 1 0 0"/>
          </actuator>
        </mujoco>
        """
    )
    equipment = describe_equipment(model)
    assert equipment.tendons[0].kind == "wrapped"
    user, adhesion, angle = equipment.actuators
    assert user.gain == user.bias == user.dynamics == "other"
    assert adhesion.transmission == angle.transmission == "other"


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ({"sites": (Site(99),)}, "sites[0].body = 99"),
        ({"sites": (Site(1, quat=(2.0, 0.0, 0.0, 0.0)),)}, "sites[0].quat"),
        ({"sites": (Site(1, pos=(float("nan"), 0.0, 0.0)),)}, "sites[0].pos"),
        ({"tendons": (Tendon("fixed", joints=((99, 1.0),)),)}, "tendons[0].joints = 99"),
        ({"tendons": (Tendon("fixed", joints=((0, 1.0),)),)}, "joint 0"),
        ({"tendons": (Tendon("spatial", path=((0, 0, 1.0),)),)}, "tendons[0].path"),
        (
            {"sites": (Site(1),), "tendons": (Tendon("spatial", path=((0, 0, 0.0),)),)},
            "divisor 0.0",
        ),
        ({"actuators": (Actuator("joint", 99),)}, "actuators[0].target = 99"),
        ({"actuators": (Actuator("joint", -1),)}, "actuators[0].target = -1"),
        ({"actuators": (Actuator("tendon", 0),)}, "actuators[0].target = 0"),
        ({"tendons": (None,), "actuators": (Actuator("tendon", 0),)}, "actuators[0].target"),
        ({"actuators": (Actuator("joint", 1, gear=(1.0,)),)}, "actuators[0].gear"),
        ({"actuators": (Actuator("joint", 1, force_range=(1.0, 0.0)),)}, "force_range"),
        ({"actuators": (Actuator("joint", 1, activation=3, name="x"),) * 2}, "activations"),
        ({"actuators": (Actuator("joint", 1, activation=-2),)}, "activations"),
        ({"actuators": (Actuator("joint", 1),) * 2000}, "actuators of 2000"),
        ({"sensors": (MjcfSensor("gyro", 3, 0, of="site", object=0),)}, "sensors[0].object"),
        ({"sensors": (MjcfSensor("gyro", -3, 0),)}, "sensors[0].size"),
        ({"sensors": (MjcfSensor("gyro", 3, 0, cutoff=-1.0),)}, "sensors[0].cutoff"),
        ({"mocap": (1,)}, "mocap"),
        ({"mocap": (99,)}, "mocap"),
        ({"magnetic": (1.0,)}, "magnetic"),
        ({"joint_force_ranges": ((99, 0.0, 1.0),)}, "joint_force_ranges = 99"),
    ],
)
def test_equipment_that_cannot_be_is_named(part, name):
    _, spec = reference("Ant-v5")
    with pytest.raises(ValueError) as error:
        check_equipment(msgspec.structs.replace(Equipment(), **part), spec)
    assert name in str(error.value)
