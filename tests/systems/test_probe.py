"""The probe names every trait that a spec does not know, and says nothing where all is well."""

from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import gymnasium.envs.mujoco
import numpy as np
import pytest
import traits
from grids import WRITTEN
from gymnasium.wrappers import RescaleAction
from traits import make, mjcf, sled

from learned_envs.errors import LearnedEnvsError, SystemSpecError
from learned_envs.systems.probe import probe, probed_spec
from learned_envs.systems.probe import traits as found
from learned_envs.systems.reference import describe

OTHERS = ["Pusher-v5", "Ant-v5", "Humanoid-v5", "HumanoidStandup-v5"]


@pytest.mark.parametrize("task", WRITTEN)
def test_nothing_is_said_of_our_tasks(task):
    probed_spec(task)


@pytest.mark.parametrize("env_id", OTHERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_is_said_of_gymnasiums_other_systems(env_id, seed):
    env = gym.make(env_id)
    assert found(env, describe(env), seed) == []


CHAIN = """
<body name="b" pos="0 0 -.5"><joint axis="0 1 0"/><geom type="capsule" size=".03"
  fromto="0 0 0 .5 0 0"/>
  <body name="c" pos=".5 0 0"><joint axis="0 1 0"/><geom type="capsule" size=".03"
    fromto="0 0 0 0 0 .5"/></body>
</body>"""
CLOSED = '<equality><connect body1="c" anchor="0 0 .5"/></equality>'

WALL = '<geom name="wall" type="plane" pos=".3 0 0" zaxis="-1 0 0" size="2 2 .1"/>'


def low(**parts: str) -> str:
    """Return the MJCF of an arm that reaches the ground."""
    return mjcf(body='pos="0 0 .45"', **parts)


TREE = '<body name="o" pos="2 0 .2"><freejoint/><geom name="other" size=".1"/></body>'

FINE = {
    "a box": low(shape='<geom type="box" pos="0 0 -.25" size=".04 .04 .25"/>'),
    "a mesh": low(shape='<geom type="mesh" mesh="tetrahedron"/>'),
    "an ellipsoid": low(shape='<geom type="ellipsoid" pos="0 0 -.3" size=".1 .1 .2"/>'),
    "a table": sled(world='<geom type="box" size="1 1 .05" pos="0 0 -.03"/>'),
    "a motor": mjcf(),
    "positions that a hinge follows": mjcf(
        actuator='<position joint="j" kp="20" ctrlrange="-1 1" ctrllimited="true"/>'
    ),
    "a tendon": mjcf(
        world='<site name="s" pos=".5 0 1"/>',
        child='<site name="e" pos=".1 0 -.4"/>',
        tail='<tendon><spatial stiffness="40"><site site="s"/><site site="e"/></spatial></tendon>',
    ),
    "an equality": mjcf(
        child='<body pos="0 0 -.5"><joint name="k" axis="0 1 0"/><geom size=".1"/></body>',
        tail='<equality><joint joint1="k" joint2="j"/></equality>',
    ),
    "a capsule on the ground": mjcf(body='pos="0 0 .45"'),
    "gravity compensated": mjcf(body='pos="0 0 1" gravcomp="1"'),
    "a fluid": mjcf(option='density="1000" viscosity=".1"'),
    "wind": mjcf(option='density="1.2" wind="5 0 0"'),
    "a sled": sled(),
    "a sled in wind": sled(option='density="1.2" wind="5 0 0"'),
    "a sled on a spring": sled(joint='type="slide" axis="1 0 0" stiffness="20"'),
    "a sled on a slope": sled(option='gravity="3 0 -9.81"'),
    "a closed chain": mjcf(child=CHAIN, tail=CLOSED),
    "a wall": mjcf(body='pos="0 0 .45"', world=WALL),
    "two trees": sled(world=TREE),
    "a slope": mjcf(body='pos="0 0 .45"', world=WALL.replace("-1 0 0", "-1 0 1")),
    "weak motors": mjcf(actuator=traits.MOTOR.replace("/>", ' gear="5" forcerange="-1 1"/>')),
}


@pytest.mark.parametrize("name", FINE)
def test_nothing_is_said_of_what_a_spec_can_say(name):
    env = make(FINE[name])
    assert found(env, describe(env)) == []


FIELD = '<geom name="field" type="hfield" hfield="field"/>'


def driven(actuator: str) -> str:
    return mjcf(actuator=f'<{actuator} name="m" joint="j" ctrlrange="0 1" ctrllimited="true"/>')


TRAITS = {
    "a field": (sled(world=FIELD), "hfield 'field'"),
    "a filter": (driven('general dyntype="filter" dynprm="0.3"'), "actuators .m"),
    "an integrator": (driven('intvelocity kp="5" actrange="-1 1"'), "actuators .m"),
    "a muscle": (driven('muscle lengthrange="-3 3"'), "actuators .m"),
    "a lazy solver": (
        mjcf(option='iterations="2" solver="CG"', child=CHAIN, tail=CLOSED),
        "not converged",
    ),
    "an unstable simulation": (
        mjcf(option='iterations="1" solver="CG"', child=CHAIN, tail=CLOSED),
        "blows up after",
    ),
}


@pytest.mark.parametrize("name", TRAITS)
def test_traits_of_models_are_named(name):
    xml, words = TRAITS[name]
    env = make(xml)
    with pytest.raises(SystemSpecError, match=words):
        probe(env, describe(env))


MOCAP = '<body name="c" mocap="true" pos="0 0 .5"><geom type="sphere" size=".1"/></body>'

CODE = {
    "Drifting": (mjcf(), r"opt\.gravity"),
    "Noisy": (mjcf(), "draws noise"),
    "Late": (mjcf(), "remembers"),
    "Episodic": (mjcf(), "constant of the episode"),
    "Incremental": (mjcf(), "the last control"),
    "Gusty": (mjcf(), "draws noise"),
    "Tidal": (mjcf(), "the time"),
    "Magnetic": (sled(), "q.0. of joint 'j'"),
    "Hasty": (mjcf(), "A step takes 0.04 s, the spec says 0.02 s"),
    "Keyframed": (mjcf(), "resets are centred where q.0. is 0.5"),
    "Scheduled": (mjcf(), "depends on the time"),
    "Wrapping": (mjcf(), "after a whole turn"),
    "Moved": (mjcf(world=MOCAP), "mocap"),
}


@pytest.mark.parametrize("name", CODE)
def test_traits_of_environments_are_named(name):
    xml, words = CODE[name]
    env = make(xml, getattr(traits, name))
    with pytest.raises(SystemSpecError, match=words):
        probe(env, describe(env))


def test_a_direction_of_the_world_is_named():
    swimmer = Path(gymnasium.envs.mujoco.__file__).parent / "assets" / "swimmer.xml"
    text = swimmer.read_text()
    assert describe(make(text)).heading is not None
    assert found(make(text), describe(make(text))) == []
    windy = make(text.replace("<option ", '<option wind="3 0 0" '))
    assert windy.unwrapped.model.opt.wind[0] == 3
    with pytest.raises(SystemSpecError, match=r"wherever the system heads.*q\[2\] of joint"):
        probe(windy, describe(windy))


def test_actions_are_the_environments_own():
    env = make(mjcf(actuator=traits.MOTOR.replace("-1 1", "-3 3")), traits.Rescaled)
    spec = describe(env)
    assert (spec.control_low, spec.control_high) == ((-1.0,), (1.0,))
    assert found(env, spec) == []


@pytest.mark.parametrize(
    "actuator", ['<motor name="m" joint="j"/>', '<motor name="m" joint="j" ctrllimited="false"/>']
)
def test_an_actuator_without_a_range_is_refused_by_name(actuator):
    with pytest.raises(SystemSpecError, match=r"from 0 to 0 for its actuator .m."):
        describe(make(mjcf(actuator=actuator)))


def test_an_infinite_range_is_refused_by_name():
    env = make(mjcf())
    env.unwrapped.action_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    with pytest.raises(SystemSpecError, match="finite range"):
        describe(env)


def test_actions_of_another_kind_are_refused():
    env = make(mjcf())
    env.unwrapped.action_space = gym.spaces.Discrete(3)
    with pytest.raises(SystemSpecError, match="Discrete"):
        describe(env)


def test_a_wrapper_that_changes_actions_is_named():
    env = RescaleAction(make(mjcf(actuator=traits.MOTOR.replace("-1 1", "-3 3"))), -1, 1)
    with pytest.raises(SystemSpecError, match="below its wrappers"):
        probe(env, describe(env))


def test_a_wrapper_that_changes_the_motion_is_named():
    class Braking(gym.Wrapper):
        def step(self, action):
            self.unwrapped.data.qvel *= 0.9
            return super().step(action)

    env = Braking(make(mjcf()))
    with pytest.raises(SystemSpecError, match="a wrapper of the environment"):
        probe(env, describe(env))


@pytest.mark.parametrize(
    "change",
    [{"gravity": (0.0, 0.0, -1.0)}, {"frame_skip": 3}, {"control_high": (2.0,)}, {"q0": (0.3,)}],
    ids=lambda change: next(iter(change)),
)
def test_a_spec_of_another_system_is_refused_by_what_differs(change):
    env = make(mjcf())
    with pytest.raises(SystemSpecError, match=next(iter(change))):
        probe(env, replace(describe(env), **change))


def test_a_leaf_that_the_spec_lists_is_part_of_the_state():
    env = make(TRAITS["a filter"][0])
    assert found(env, replace(describe(env), leaves=(("act", 1),))) == []
    with pytest.raises(SystemSpecError, match="leaves say 2"):
        probe(env, replace(describe(env), leaves=(("act", 2),)))


def test_an_error_says_all_that_is_wrong():
    xml, words = TRAITS["a field"]
    env = make(xml, traits.Late)
    with pytest.raises(LearnedEnvsError, match=rf"(?s)remembers.*{words}"):
        probe(env, describe(env))
