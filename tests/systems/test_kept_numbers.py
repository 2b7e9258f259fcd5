"""Numbers that environments keep in odd ways are leaves, or are named."""

from enum import Enum

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from traits import TraitEnv, make, mjcf

from learned_envs.errors import SystemSpecError
from learned_envs.systems.discovery import discover
from learned_envs.systems.probe import traits as broken


class Filter(TraitEnv):
    """A reset puts one number where steps put an array."""

    def reset_model(self):
        self.smooth = 0
        return super().reset_model()

    def step(self, action):
        self.smooth = 0.8 * self.smooth + 0.2 * action
        return super().step(self.smooth)


class Clock(TraitEnv):
    """The time is seen."""

    def __init__(self, xml, **kwargs):
        super().__init__(xml, **kwargs)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float64)

    def _get_obs(self):
        return np.append(super()._get_obs(), np.sin(self.data.time))


class Deadline(TraitEnv):
    """Ends after three seconds."""

    def step(self, action):
        seen, reward, terminated, _, info = super().step(action)
        return seen, reward, terminated, self.data.time > 3.0, info


class Counting(TraitEnv):
    """Ends after 500 steps."""

    def reset_model(self):
        self.steps = 0
        return super().reset_model()

    def step(self, action):
        self.steps += 1
        seen, reward, terminated, _, info = super().step(action)
        return seen, reward, terminated, self.steps >= 500, info


class Sparse(TraitEnv):
    """Pays at a goal that is hardly ever reached."""

    def reset_model(self):
        self.goal = self.np_random.uniform(1.5, 2.0)
        return super().reset_model()

    def step(self, action):
        seen, _, terminated, truncated, info = super().step(action)
        return seen, float(abs(self.data.qpos[0] - self.goal) < 0.01), terminated, truncated, info


class Pushed(TraitEnv):
    """A force is drawn for each episode."""

    def reset_model(self):
        self.data.xfrc_applied[1, 0] = self.np_random.normal()
        return super().reset_model()


class Rebuilt(TraitEnv):
    """The model itself is made anew for each episode."""

    def __init__(self, xml, **kwargs):
        self.xml = xml
        super().__init__(xml, **kwargs)

    def reset_model(self):
        thick = self.xml.replace('size=".05"', f'size="{self.np_random.uniform(0.04, 0.06):.3f}"')
        self.model = mujoco.MjModel.from_xml_string(thick)
        self.data = mujoco.MjData(self.model)
        return super().reset_model()


class Borrowed(TraitEnv):
    """Two attributes are one array, which is written into."""

    def __init__(self, xml, **kwargs):
        self.target = np.zeros(1)
        self.followed = self.target
        super().__init__(xml, **kwargs)

    def reset_model(self):
        self.target[:] = 0.0
        return super().reset_model()

    def step(self, action):
        self.target += 0.1 * (action - self.target)
        return super().step(self.followed)


class Final(TraitEnv):
    """Refuses to be stepped after an end."""

    def reset_model(self):
        self.over = False
        return super().reset_model()

    def step(self, action):
        if self.over:
            raise RuntimeError("It is over.")
        seen, reward, _, truncated, info = super().step(action)
        self.over = abs(self.data.qpos[0]) > 0.02
        return seen, reward, self.over, truncated, info


FOUND = {
    Final: {"env.over": (False, False)},
    Filter: {"env.smooth": (False, True)},
    Clock: {"time": (False, False)},
    Deadline: {"time": (False, False)},
    Counting: {"env.steps": (False, False)},
    Sparse: {"env.goal": (True, False)},
    Pushed: {"xfrc_applied": (True, True)},
    Borrowed: {"env.target": (False, True)},
}


@pytest.mark.parametrize("cls", FOUND, ids=lambda cls: cls.__name__)
def test_it_is_found(cls):
    env = make(mjcf(), cls)
    spec = discover(env).spec
    assert {leaf.name: (leaf.frozen, leaf.seen) for leaf in spec.leaves} == FOUND[cls]
    assert broken(env, spec, 1, strict=False) == []


class Phase(Enum):
    """Of a motion."""

    SWING, STANCE = range(2)


class Phased(TraitEnv):
    """Acts by a phase that is no number."""

    def reset_model(self):
        self.phase = Phase.SWING
        return super().reset_model()

    def step(self, action):
        self.phase = Phase.STANCE if self.phase is Phase.SWING else Phase.SWING
        return super().step(action if self.phase is Phase.SWING else -action)


def test_what_is_no_number_is_named():
    with pytest.raises(SystemSpecError, match=r"env\.phase is a text, and no number"):
        discover(make(mjcf(), Phased))
    assert [member.value for member in Phase] == [0, 1]


def test_an_array_at_two_places_is_one_leaf():
    (leaf,) = discover(make(mjcf(), Borrowed)).spec.leaves
    assert leaf.also == ("followed",)


def test_a_model_that_is_made_anew_is_the_one_that_is_asked():
    env = make(mjcf(), Rebuilt)
    spec = discover(env).spec
    assert {"model.body_mass[1]", "model.geom_size[1]"} <= {leaf.name for leaf in spec.leaves}
    assert broken(env, spec, 1, strict=False) == []


def test_what_only_rewards_depend_on_is_told_if_it_can_be_no_leaf():
    class Progress(TraitEnv):
        """Pays for what was gained, and nothing at first."""

        def reset_model(self):
            self.before = None
            return super().reset_model()

        def step(self, action):
            seen, _, terminated, truncated, info = super().step(action)
            now = float(self.data.qpos[0])
            reward = 0.0 if self.before is None else now - self.before
            self.before = now
            return seen, reward, terminated, truncated, info

    probed = discover(make(mjcf(), Progress))
    assert probed.spec.leaves == ()
    assert [*probed.unheld] == ["env.before"]
