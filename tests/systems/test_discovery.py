"""What acting in a real environment tells of it: leaves, symmetries, contacts, refusals."""

import gymnasium as gym
import mujoco
import numpy as np
import pytest
import traits
from gymnasium.spaces import Box, Dict, Discrete
from test_probe import CODE, FINE, TRAITS
from traits import TraitEnv, make, mjcf, sled

from learned_envs.errors import LearnedEnvsError, ParameterError, SystemSpecError
from learned_envs.systems.discovery import discover
from learned_envs.systems.probe import traits as broken
from learned_envs.systems.reference import describe

TASKS = [
    *("Hopper-v5", "HalfCheetah-v5", "Walker2d-v5", "Swimmer-v5", "Reacher-v5", "Pusher-v5"),
    *("Ant-v5", "Humanoid-v5", "HumanoidStandup-v5", "InvertedPendulum-v5"),
]


def leaves(env: gym.Env) -> dict[str, tuple[bool, bool]]:
    """Return whether each leaf that is found is frozen, and whether motion depends on it."""
    return {leaf.name: (leaf.frozen, leaf.seen) for leaf in discover(env).spec.leaves}


@pytest.mark.parametrize("name", FINE)
def test_what_has_no_memory_gets_no_leaf(name):
    env = make(FINE[name])
    probed = discover(env)
    assert probed.spec == describe(env)
    assert probed.notes == ()


@pytest.mark.parametrize("env_id", TASKS)
def test_gymnasiums_systems_are_what_their_geometry_says(env_id):
    env = gym.make(env_id)
    probed, described = discover(env), describe(env)
    assert not any(leaf.seen for leaf in probed.spec.leaves)
    assert all(leaf.frozen for leaf in probed.spec.leaves)
    for claim in ("cyclic", "turning", "heading", "frame_skip", "joints"):
        assert getattr(probed.spec, claim) == getattr(described, claim)
    assert probed.notes == ()


def test_where_a_goal_stands_in_q_is_frozen():
    assert discover(gym.make("Reacher-v5")).frozen == (2, 3)
    # The object that is pushed stands still too, until something touches it.
    assert discover(gym.make("Pusher-v5")).frozen == (9, 10)
    assert discover(gym.make("Hopper-v5")).frozen == ()


FOUND = {
    "Drifting": {"model.opt.gravity[2]": (True, True)},
    "Late": {"env.last": (False, True)},
    "Episodic": {"env.strength": (True, True)},
    "Incremental": {"ctrl": (False, True)},
    "Tidal": {"time": (False, True)},
    # It comes after ten seconds, which no search sees; only a step at such a time tells.
    "Scheduled": {"time": (False, True)},
    "Moved": {"mocap_pos": (False, True)},
    "Keyframed": {},
    "Hasty": {},
    "Wrapping": {},
    "Magnetic": {},
}


@pytest.mark.parametrize("name", FOUND)
def test_what_an_environment_keeps_is_found(name):
    env = make(CODE[name][0], getattr(traits, name))
    assert leaves(env) == FOUND[name]


@pytest.mark.parametrize("name", ["a filter", "an integrator", "a muscle"])
def test_activations_are_a_leaf(name):
    assert leaves(make(TRAITS[name][0])) == {"act": (False, True)}


@pytest.mark.parametrize("name", ["Drifting", "Late", "Episodic", "Moved", "Hasty", "Magnetic"])
def test_what_is_found_holds(name):
    env = make(CODE[name][0], getattr(traits, name))
    assert broken(env, discover(env).spec, 1, strict=False) == []


def test_a_step_is_measured():
    assert discover(make(mjcf(), traits.Hasty)).spec.frame_skip == 8


def test_what_the_motion_denies_is_held():
    assert describe(make(sled())).cyclic == (0,)
    assert discover(make(sled(), traits.Magnetic)).spec.cyclic == ()
    assert describe(make(mjcf())).turning == (0,)
    assert discover(make(mjcf(), traits.Wrapping)).spec.turning == ()


def test_two_trees_that_can_meet_are_seen_where_they_are():
    probed = discover(make(FINE["two trees"]))
    assert probed.spec.cyclic == ()


def test_contacts_that_no_feature_shows_are_told_with_their_share():
    (note,) = discover(make(TRAITS["a field"][0])).notes
    assert "hfield 'field'" in note
    assert "of" in note.split(" contacts")[0]


def test_nothing_is_told_of_shapes_that_models_see():
    assert discover(make(FINE["a box"])).notes == ()


class Diary(TraitEnv):
    """Remembers in a list that grows, and acts by it."""

    def reset_model(self):
        self.diary = []
        return super().reset_model()

    def step(self, action):
        self.diary.append(float(action[0]))
        return super().step(np.array([np.mean(self.diary)]))


class Broken(TraitEnv):
    """Fails in a step."""

    def step(self, action):
        return super().step(action[5])


class Unready(TraitEnv):
    """Fails at resets."""

    def reset_model(self):
        return self.nobody_made_this


class Pictures(TraitEnv):
    """Observes pictures."""

    def __init__(self, xml, **kwargs):
        super().__init__(xml, **kwargs)
        self.observation_space = Box(0, 255, (8, 8, 3), np.uint8)


class Choosing(TraitEnv):
    """Takes one of three actions."""

    def __init__(self, xml, **kwargs):
        super().__init__(xml, **kwargs)
        self.action_space = Discrete(3)


class Parts(TraitEnv):
    """Takes actions by name."""

    def __init__(self, xml, **kwargs):
        super().__init__(xml, **kwargs)
        self.action_space = Dict(arm=Box(-1, 1, (1,)))


BAD = {
    Diary: r"does not follow from its state(?s:.*)env\.diary\[\d+\] is not always there",
    Broken: r"step of Trait-v0 fails at .*test_discovery\.py:\d+, .*action.5.",
    Unready: r"reset of Trait-v0 fails at .*test_discovery\.py:\d+",
    Pictures: "is pictures",
    Choosing: r"takes actions of Discrete\(3\), expected a Box",
    Parts: "takes actions of Dict",
    traits.Noisy: "draws noise",
    traits.Gusty: "draws noise",
}


@pytest.mark.parametrize("cls", BAD, ids=lambda cls: cls.__name__)
def test_what_no_model_can_be_made_of_is_refused_by_name(cls):
    with pytest.raises(SystemSpecError, match=BAD[cls]):
        discover(make(mjcf(), cls))


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        (TRAITS["a lazy solver"][0], "not converged"),
        (TRAITS["an unstable simulation"][0], "blows up after"),
        (mjcf(joint='type="ball"'), "write a ball joint as three hinges"),
    ],
)
def test_physics_that_no_model_can_be_made_of_is_refused_by_name(xml, words):
    with pytest.raises(LearnedEnvsError, match=words):
        discover(make(xml.replace(traits.MOTOR, "") if "ball" in xml else xml))


def test_an_environment_without_mujoco_is_refused():
    with pytest.raises(ParameterError, match=r"keeps no mujoco\.MjData"):
        discover(gym.make("CartPole-v1"))


def test_an_unbounded_action_is_refused_by_name():
    env = make(mjcf())
    env.unwrapped.action_space = Box(-np.inf, np.inf, (1,), np.float32)
    with pytest.raises(SystemSpecError, match="finite range"):
        discover(env)


BALL = '<body name="{}" pos="{} 0 .3"><freejoint/><geom name="{}" size=".1"/></body>'


def test_two_free_bodies_are_seen_where_they_are():
    xml = mjcf(world=BALL.format("one", 1, "one") + BALL.format("two", 1.1, "two"))
    spec = discover(make(xml)).spec
    assert spec.cyclic == ()
    assert [joint.kind for joint in spec.joints] == ["free", "free", "hinge"]


def test_a_position_actuator_holds_a_slide():
    actuator = '<position joint="j" kp="20" ctrlrange="-1 1" ctrllimited="true"/>'
    assert discover(make(sled(actuator=actuator))).spec.cyclic == ()


def test_actions_need_be_neither_the_actuators_nor_their_ranges():
    class Both(TraitEnv):
        """Two numbers move one motor."""

        def __init__(self, xml, **kwargs):
            super().__init__(xml, **kwargs)
            self.action_space = Box(-2, 2, (2, 1), np.float32)

        def step(self, action):
            return super().step(action.mean(0))

    spec = discover(make(mjcf(), Both)).spec
    assert (spec.nu, spec.control_low, spec.control_high) == (2, (-2.0, -2.0), (2.0, 2.0))


def test_a_model_that_is_drawn_anew_is_described_as_one_seed_draws_it():
    class Heavy(TraitEnv):
        """Episodes have masses of their own."""

        def reset_model(self):
            self.model.body_mass[1] = self.np_random.uniform(1.0, 2.0)
            mujoco.mj_setConst(self.model, self.data)
            return super().reset_model()

    env = make(mjcf(), Heavy)
    one, other = discover(env).spec, discover(env).spec
    assert one == other
    assert "model.body_mass[1]" in {leaf.name for leaf in one.leaves}
    assert broken(env, one, strict=False) == []
