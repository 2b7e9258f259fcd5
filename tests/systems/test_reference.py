import json

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from grids import SHIPPED_WRITTEN
from gymnasium.spaces import Box

from learned_envs import registry
from learned_envs.card import read_card
from learned_envs.data.system import expect_system
from learned_envs.errors import ParameterError
from learned_envs.systems import reference
from learned_envs.systems.spec import SystemSpec

IDS = ["Hopper-v5", "HalfCheetah-v5", "Reacher-v5", "Ant-v5"]


def model_env(xml: str) -> gym.Env:
    """Disguise an MJCF as the Gymnasium environment that `describe` reads."""

    class Inline(gym.Env):
        spec = gym.spec("Hopper-v5")
        model = mujoco.MjModel.from_xml_string(xml)
        frame_skip = 3
        action_space = Box(-1, 1, (model.nu,))

    return Inline()


@pytest.mark.parametrize("env_id", IDS)
def test_a_spec_survives_json(env_id):
    spec = reference.describe(gym.make(env_id))
    assert SystemSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize("env_id", IDS)
def test_a_spec_has_the_sizes_and_the_clock_of_its_reference(env_id):
    env = gym.make(env_id).unwrapped
    spec = reference.describe(env)
    assert (spec.nq, spec.nv, spec.nu) == (env.model.nq, env.model.nv, env.model.nu)
    assert spec.dt == env.dt
    assert spec.reference_id == env_id
    np.testing.assert_array_equal(spec.q0, env.init_qpos)
    np.testing.assert_array_equal(np.float32(spec.control_low), env.action_space.low)
    np.testing.assert_array_equal(np.float32(spec.control_high), env.action_space.high)


@pytest.mark.parametrize(
    ("env_id", "cyclic"),
    [
        ("Hopper-v5", (0,)),
        ("Walker2d-v5", (0,)),
        ("HalfCheetah-v5", (0,)),
        ("InvertedPendulum-v5", ()),
        ("InvertedDoublePendulum-v5", ()),
        ("Reacher-v5", ()),
        ("Swimmer-v5", (0, 1)),
        ("Ant-v5", (0, 1)),
    ],
)
def test_travel_along_the_ground_is_cyclic(env_id, cyclic):
    assert reference.describe(gym.make(env_id)).cyclic == cyclic


@pytest.mark.parametrize(
    ("env_id", "touching"),
    [
        ("Hopper-v5", 5),
        ("Walker2d-v5", 8),
        ("HalfCheetah-v5", 9),
        ("Swimmer-v5", 0),
        ("InvertedDoublePendulum-v5", 0),
        ("Reacher-v5", 0),
    ],
)
def test_only_shapes_that_collide_with_the_ground_touch(env_id, touching):
    spec = reference.describe(gym.make(env_id))
    # The plane counts once itself; Walker2d's shapes collide by contype alone. Nothing in Reacher
    # collides, neither the arm's links with each other nor with the sides of its arena.
    assert sum(geom.touches for geom in spec.geoms) == touching


@pytest.mark.parametrize(
    ("obstacle", "cyclic"),
    [
        ("", (0,)),
        ('<geom type="box" size="1 1 1" contype="0" conaffinity="0"/>', (0,)),
        ('<geom type="box" size="1 1 1"/>', ()),
        ('<body pos="1 0 0"><body pos="1 0 0"><geom type="box" size="1 1 1"/></body></body>', ()),
        # Contact features know no plane but the world's own.
        ('<body pos="0 0 1"><geom type="plane" size="1 1 1"/></body>', ()),
        ('<body pos="9 0 0"><joint type="hinge"/><geom type="box" size="1 1 1"/></body>', ()),
        (
            '<body pos="9 0 0"><joint type="hinge"/><geom type="box" size="1 1 1" contype="0" '
            'conaffinity="0"/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/></body>',
            (0,),
        ),
    ],
)
def test_travel_among_obstacles_is_not_cyclic(obstacle, cyclic):
    xml = """
        <mujoco><worldbody>
          <geom type="plane" size="1 1 1"/>
          <body pos="0 0 1"><joint type="slide" axis="1 0 0"/><geom size=".1"/></body>
          {}
        </worldbody></mujoco>"""
    assert reference.describe(model_env(xml.format(obstacle))).cyclic == cyclic


@pytest.mark.parametrize(
    ("body", "joint", "more", "cyclic"),
    [
        ("", "", "", (0,)),
        ("", 'stiffness="2"', "", ()),
        ("", "", '<actuator><position joint="j" kp="2"/></actuator>', ()),
        ("", "", '<actuator><motor joint="j"/></actuator>', (0,)),
        ("", "", '<equality><joint joint1="j"/></equality>', ()),
        ("", "", '<tendon><fixed stiffness="1"><joint joint="j" coef="1"/></fixed></tendon>', ()),
        ("", "", '<option gravity="3 0 -9"/>', ()),
        ("", "", '<option gravity="0 3 -9"/>', (0,)),
        ('euler="0 20 0"', "", "", ()),
        ('euler="0 0 20"', "", "", (0,)),
        ("", 'limited="true" range="-9 9"', "", ()),
        ("", 'limited="true" range="-9 9"', '<option><flag limit="disable"/></option>', (0,)),
    ],
)
def test_a_slide_that_something_holds_is_not_cyclic(body, joint, more, cyclic):
    xml = f"""
        <mujoco><worldbody>
          <geom type="plane" size="1 1 1"/>
          <body pos="0 0 1" {body}>
            <joint name="j" type="slide" axis="1 0 0" {joint}/><geom size=".1"/>
          </body>
        </worldbody>{more}</mujoco>"""
    assert reference.describe(model_env(xml)).cyclic == cyclic


@pytest.mark.parametrize(("slope", "cyclic"), [("0 0 1", (0, 1)), ("1 0 9", ()), ("0 1 9", ())])
def test_travel_up_a_slope_is_not_cyclic(slope, cyclic):
    xml = f"""
        <mujoco><worldbody>
          <geom type="plane" size="1 1 1" zaxis="{slope}"/>
          <body pos="0 0 1"><freejoint/><geom size=".1"/></body>
        </worldbody></mujoco>"""
    assert reference.describe(model_env(xml)).cyclic == cyclic


@pytest.mark.parametrize(
    ("joint", "more", "turning"),
    [
        ("", "", (0,)),
        ('stiffness="2"', "", ()),
        ('damping="2"', "", (0,)),
        ("", '<actuator><position joint="j" kp="2"/></actuator>', ()),
        ("", '<actuator><velocity joint="j" kv="2"/></actuator>', (0,)),
        ('stiffness="2"', '<option><flag spring="disable"/></option>', (0,)),
    ],
)
def test_a_hinge_that_something_holds_does_not_count_turns(joint, more, turning):
    xml = f"""
        <mujoco><worldbody><body>
          <joint name="j" axis="0 1 0" {joint}/><geom size=".1" pos="0 0 .3"/>
        </body></worldbody>{more}</mujoco>"""
    if more.count("spring") and not hasattr(mujoco.mjtDisableBit, "mjDSBL_SPRING"):
        pytest.skip("this version of MuJoCo disables springs together with damping")
    assert reference.describe(model_env(xml)).turning == turning


def test_what_an_option_disables_is_not_there():
    xml = """
        <mujoco>
          <option><flag gravity="disable" contact="disable" limit="disable"/></option>
          <worldbody>
            <geom type="plane" size="1 1 1"/>
            <body><joint limited="true" range="-1 1"/><geom size=".1"/></body>
          </worldbody>
        </mujoco>"""
    spec = reference.describe(model_env(xml))
    assert spec.gravity == (0.0, 0.0, 0.0)
    assert not any(geom.touches for geom in spec.geoms)
    assert spec.joints[0].limits is None


def test_listed_pairs_collide_and_excluded_bodies_do_not():
    xml = """
        <mujoco>
          <worldbody>
            <geom name="floor" type="plane" size="1 1 1"/>
            <body name="out"><joint type="slide"/><geom name="out" size=".1"/></body>
            <body><joint type="slide"/>
              <geom name="in" size=".1" contype="0" conaffinity="0"/></body>
          </worldbody>
          <contact>
            <exclude body1="world" body2="out"/><pair geom1="in" geom2="floor"/>
          </contact>
        </mujoco>"""
    spec = reference.describe(model_env(xml))
    assert {geom.name: geom.touches for geom in spec.geoms} == {
        "floor": True,
        "out": False,
        "in": True,
    }


def test_contact_masks_and_welded_bodies_decide_what_touches():
    spec = reference.describe(
        model_env("""
        <mujoco><worldbody>
          <geom name="floor" type="plane" size="1 1 1" contype="2" conaffinity="4"/>
          <geom name="step" type="box" size="1 1 1"/>
          <body><geom name="welded" type="sphere" size=".1" contype="4"/></body>
          <body><joint type="slide"/>
            <geom name="by_contype" type="sphere" size=".1" contype="4" conaffinity="0"/>
            <geom name="by_conaffinity" type="box" size=".1 .1 .1" contype="0" conaffinity="2"/>
            <geom name="apart" type="capsule" size=".1 .1" contype="1" conaffinity="1"/>
          </body>
        </worldbody></mujoco>""")
    )
    touches = {geom.name: geom.touches for geom in spec.geoms}
    # floor: met by both masks; step: by `apart`; welded: contype 4 meets no moving conaffinity,
    # its conaffinity 1 meets `apart`.
    assert touches == {
        "floor": True,
        "step": True,
        "welded": True,
        "by_contype": True,
        "by_conaffinity": True,
        "apart": False,
    }
    assert {geom.name: geom.kind for geom in spec.geoms}["step"] == "box"


def test_a_ball_joint_is_refused_by_name():
    env = model_env("""
        <mujoco><worldbody><body>
          <joint name="shoulder" type="ball"/><geom size=".1"/>
        </body></worldbody></mujoco>""")
    with pytest.raises(ParameterError, match="shoulder"):
        reference.describe(env)


@pytest.mark.parametrize("task", SHIPPED_WRITTEN)
def test_shipped_weights_are_of_the_systems_that_are_described(task):
    known, described = read_card(task).spec, reference.spec_of(task)
    expect_system(known, described, task)
    for name in ("cyclic", "turning", "heading"):
        assert getattr(known, name) == getattr(described, name)


def test_an_environment_without_mujoco_is_refused():
    with pytest.raises(ParameterError, match="MuJoCo"):
        reference.describe(gym.make("CartPole-v1"))


@pytest.mark.parametrize("task", registry.TASKS)
def test_loading_real_environments_says_nothing(task, capfd):
    for _ in range(4):
        reference.make_reference(task)
    assert capfd.readouterr().err == ""


def test_arguments_reach_the_environment():
    assert reference.make_reference("HalfCheetah", frame_skip=2).unwrapped.frame_skip == 2
