"""A real environment is asked in one way, whoever wrote it; a file has one of its own."""

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict
from gymnasium.spaces.utils import flatten
from test_probe import TRAITS
from traits import TraitEnv, make, mjcf

from learned_envs.errors import ParameterError, SystemSpecError
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.columns import columns_of, read_quantity
from learned_envs.systems.discovery import discover
from learned_envs.systems.flat import flat, flattened
from learned_envs.systems.sensor import Sensor

BARE = "learned_envs.systems.bare:BareMujoco-v0"

URDF = """
<robot name="arm">
  <link name="base"/>
  <link name="upper"><inertial><mass value="1"/><origin xyz="0 0 -.2"/>
    <inertia ixx=".01" iyy=".01" izz=".01" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="shoulder" type="revolute"><parent link="base"/><child link="upper"/>
    <axis xyz="0 1 0"/><limit lower="-1" upper="1" effort="10" velocity="10"/></joint>
</robot>"""


@pytest.fixture
def file(tmp_path):
    def write(text, name="robot.xml"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def test_a_file_is_an_environment_of_q_and_v(file):
    env = gym.make(BARE, xml_file=file(mjcf()))
    seen, _ = env.reset(seed=0)
    assert seen.shape == (2,)
    assert env.unwrapped.dt == pytest.approx(0.02)
    seen, reward, terminated, truncated, _ = env.step(env.action_space.sample())
    assert (reward, terminated, truncated) == (0.0, False, False)
    probed = discover(env)
    assert (probed.spec.nu, probed.spec.leaves, probed.spec.frame_skip) == (1, (), 4)


def test_activations_of_a_file_are_seen(file):
    env = gym.make(BARE, xml_file=file(TRAITS["a filter"][0]))
    assert env.reset(seed=0)[0].shape == (3,)
    assert [leaf.name for leaf in discover(env).spec.leaves] == ["act"]


def test_a_urdf_is_a_file_too(file):
    env = gym.make(BARE, xml_file=file(URDF, "robot.urdf"), frame_skip=5)
    assert env.reset(seed=0)[0].shape == (2,)
    assert env.action_space.shape == (0,)
    assert discover(env).spec.frame_skip == 5


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("<mujoco><worldbody>", ParameterError, "MuJoCo cannot load"),
        (
            mjcf(actuator='<motor name="m" joint="j"/>'),
            SystemSpecError,
            "Actuator 'm' of robot.xml",
        ),
    ],
)
def test_a_file_that_is_of_no_use_is_refused(file, text, error, words):
    with pytest.raises(error, match=words):
        gym.make(BARE, xml_file=file(text))


def test_starts_of_a_file_lie_within_limits(file):
    joint = 'type="hinge" axis="0 1 0" range="-3 3" limited="true"'
    env = gym.make(BARE, xml_file=file(mjcf(joint=joint)), reset_noise_scale=2.0)
    starts = [env.reset(seed=seed)[0][0] for seed in range(50)]
    # Three degrees.
    assert np.abs(starts).max() <= np.radians(3) + 1e-12
    assert np.ptp(starts) > 0


def test_a_state_is_set_whoever_can():
    env = make(TRAITS["a filter"][0])
    real = Adapter(env, discover(env).spec.leaves)
    real.reset(seed=0)
    real.set_state(np.array([0.3]), np.array([-1.0]), {"act": np.array([0.5])})
    assert (real.data.qpos[0], real.data.qvel[0], real.data.act[0]) == (0.3, -1.0, 0.5)
    np.testing.assert_array_equal(real.leaves()["act"], [0.5])
    np.testing.assert_array_equal(real.observe(), [0.3, -1.0])
    # MuJoCo has derived the rest.
    assert real.data.body("a").xquat[2] == pytest.approx(np.sin(0.15))


def test_solver_steps_are_measured():
    assert Adapter(make(mjcf())).solver_steps == 4
    assert Adapter(gym.make("Ant-v5")).solver_steps == 5


class Unhurried(TraitEnv):
    """A step of it is none."""

    def step(self, action):
        return self._get_obs(), 0.0, False, False, {}


def test_a_step_that_takes_no_time_is_named():
    with pytest.raises(SystemSpecError, match="takes 0 solver steps"):
        _ = Adapter(make(mjcf(), Unhurried)).solver_steps
    with pytest.raises(SystemSpecError, match="solver steps"):
        discover(make(mjcf(), Unhurried))


def test_quantities_are_read_by_name():
    xml = mjcf(
        body='pos="0 0 .45"',
        tail='<sensor><framepos name="tip" objtype="geom" objname="g"/><clock name="c"/></sensor>',
    )
    model = mujoco.MjModel.from_xml_string(xml)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    np.testing.assert_array_equal(read_quantity(model, data, "sensor.tip"), data.geom("g").xpos)
    assert read_quantity(model, data, "cfrc_ext").shape == (model.nbody, 6)
    assert read_quantity(model, data, "time") == 0.0
    assert read_quantity(model, data, "touch.floor.g") == 1.0
    assert read_quantity(model, data, "touch.1.floor") == 1.0
    data.qpos[0] = np.pi / 2
    mujoco.mj_forward(model, data)
    assert read_quantity(model, data, "touch.g.floor") == 0.0
    for name in ("sensor.nose", "touch.g.moon", "qposs", "touch.g"):
        with pytest.raises(SystemSpecError, match="has no"):
            read_quantity(model, data, name)


def test_what_a_sensor_reads_is_a_column():
    env = make(mjcf(body='pos="0 0 .45"'))
    env.reset(seed=0)
    sensors = [
        Sensor("foot", array="touch.floor.g"),
        Sensor("seen", place=0),
        Sensor("force", size=6, array="cfrc_ext", start=6),
    ]
    columns = columns_of(Adapter(env), sensors)
    assert {name: column.shape for name, column in columns.items()} == {"foot": (1,), "force": (6,)}
    assert columns["foot"] == 1.0


def test_parts_are_laid_out_as_gymnasium_does():
    space = Dict({"b": Box(-1, 1, (2, 2)), "a": Dict({"d": Box(0, 1, (1,)), "c": Box(0, 1, ())})})
    space.seed(0)
    value = space.sample()
    np.testing.assert_array_equal(flat(space, value), flatten(space, value))


def test_a_row_of_numbers_is_left_as_it_is():
    env = gym.make("Hopper-v5")
    assert flattened(env) is env
