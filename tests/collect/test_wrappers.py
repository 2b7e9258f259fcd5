"""Whatever wrappers lie between, what is recorded is what moved the real environment."""

from pathlib import Path

import gymnasium as gym
import gymnasium.envs.mujoco
import numpy as np
import pytest
from gymnasium import wrappers

from learned_envs.collect.agreement import check_source
from learned_envs.collect.recorder import Recorder
from learned_envs.data.dataset import Dataset
from learned_envs.errors import DatasetError, LearnedEnvsError, SystemSpecError
from learned_envs.systems.reference import describe

PENDULUM = "InvertedPendulum-v5"


class Repeat(gym.Wrapper):
    """Takes every action three times, and sums what it pays."""

    def step(self, action):
        paid = 0.0
        for _ in range(3):
            observation, reward, terminated, truncated, info = super().step(action)
            paid += reward
            if terminated or truncated:
                break
        return observation, paid, terminated, truncated, info


class FiveLevels(gym.ActionWrapper):
    """Offers five pushes by their number."""

    def __init__(self, env):
        super().__init__(env)
        self.action_space = gym.spaces.Discrete(5)

    def action(self, number):
        return np.array([1.5 * (number - 2)])


class Endless(gym.Wrapper):
    """Hides an episode's end, and resets in the step after it."""

    ended = False

    def step(self, action):
        if self.ended:
            super().reset()
        observation, reward, terminated, truncated, info = super().step(action)
        self.ended = terminated or truncated
        return observation, reward, False, False, info


class Impatient(gym.Wrapper):
    """Says after three steps that the task has ended."""

    def reset(self, **kwargs):
        self.taken = 0
        return super().reset(**kwargs)

    def step(self, action):
        self.taken += 1
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated or self.taken == 3, truncated, info


class Kicking(gym.Wrapper):
    """Moves the system between two steps now and then."""

    taken = 0

    def step(self, action):
        self.taken += 1
        if self.taken % 4 == 0:
            base = self.unwrapped
            base.set_state(base.data.qpos.copy(), base.data.qvel + 0.1)
        return super().step(action)


WRAPPED = {
    "plain": lambda env: env,
    "RescaleAction": lambda env: wrappers.RescaleAction(env, -1, 1),
    "ClipAction": wrappers.ClipAction,
    "StickyAction": lambda env: wrappers.StickyAction(env, 0.5),
    "Repeat": Repeat,
    "FiveLevels": FiveLevels,
    "TransformReward": lambda env: wrappers.TransformReward(env, lambda reward: 100 * reward),
    "NormalizeObservation": wrappers.NormalizeObservation,
    "DelayObservation": lambda env: wrappers.DelayObservation(env, 2),
    "Autoreset": wrappers.Autoreset,
    "Endless": Endless,
    "Impatient": Impatient,
    "Kicking": Kicking,
    "several": lambda env: Repeat(wrappers.ClipAction(wrappers.RescaleAction(env, -1, 1))),
}


def record(env, on_episode, steps=60, **kwargs):
    """Step an environment while it is recorded."""
    recorder = Recorder(env, "agent:test", on_episode, **kwargs)
    recorder.action_space.seed(0)
    recorder.reset(seed=0)
    for _ in range(steps):
        _, _, terminated, truncated, _ = recorder.step(recorder.action_space.sample())
        if (terminated or truncated) and not isinstance(env, wrappers.Autoreset):
            recorder.reset()
    recorder.close()


@pytest.mark.parametrize("name", WRAPPED)
def test_every_recorded_step_is_the_real_environments(name, tmp_path):
    env = gym.make(PENDULUM)
    dataset = Dataset.create(tmp_path / "data", "InvertedPendulum", describe(env))
    record(WRAPPED[name](env), lambda episode: dataset.append([episode]))
    assert dataset.steps >= 50
    check_source(dataset, "InvertedPendulum")
    recording = dataset.load()
    assert (recording.rewards[recording.windows(1)] <= 1).all()
    fallen = np.abs(recording.qpos[recording.offsets + recording.lengths, 1]) > 0.2
    np.testing.assert_array_equal(recording.terminated, fallen)


def test_a_rescaled_action_is_recorded_as_it_reached_the_motor():
    episodes, env = [], wrappers.RescaleAction(gym.make(PENDULUM), -1, 1)
    recorder = Recorder(env, "agent:test", episodes.append)
    recorder.reset(seed=0)
    recorder.step(np.array([0.9]))
    assert recorder.unwrapped.data.ctrl == pytest.approx(2.7)
    recorder.close()
    assert episodes[0].actions == pytest.approx(2.7)


def test_a_state_that_is_set_begins_an_episode():
    episodes = []
    recorder = Recorder(gym.make(PENDULUM), "agent:test", episodes.append)
    recorder.reset(seed=0)
    recorder.step(np.zeros(1))
    recorder.set_state(np.array([0.1, 0.1]), np.zeros(2))
    recorder.step(np.zeros(1))
    recorder.close()
    assert [len(episode.rewards) for episode in episodes] == [1, 1]
    assert list(episodes[1].qpos[0]) == [0.1, 0.1]


def test_a_wrapper_that_changes_the_motion_is_refused():
    class Windy(gym.Wrapper):
        def step(self, action):
            self.unwrapped.data.xfrc_applied[-1, 0] = 0.5
            return super().step(action)

    with pytest.raises(SystemSpecError, match=r"more than the action.*Windy"):
        record(Windy(gym.make(PENDULUM)), lambda episode: None)


@pytest.mark.parametrize("moment", ["before", "while"])
@pytest.mark.parametrize("name", ["body_mass", "dof_damping", "geom_friction", "opt.timestep"])
def test_a_model_that_was_changed_is_refused_by_what_was(name, moment):
    env = gym.make(PENDULUM)

    def change():
        owner = env.unwrapped.model
        if name.startswith("opt."):
            owner.opt.timestep *= 1.1
        else:
            getattr(owner, name)[:] += 0.1

    if moment == "before":
        change()
        with pytest.raises(SystemSpecError, match=name):
            Recorder(env, "agent:test", lambda episode: None)
    elif name != "geom_friction":
        # Nothing touches anything here.
        recorder = Recorder(env, "agent:test", lambda episode: None)
        recorder.reset(seed=0)
        change()
        with pytest.raises(SystemSpecError, match=name):
            recorder.step(np.ones(1))


@pytest.fixture
def braked(tmp_path):
    """A pendulum whose hinge brakes more, which its spec does not say."""
    source = Path(gymnasium.envs.mujoco.__file__).parent / "assets" / "inverted_pendulum.xml"
    text = source.read_text()
    assert 'damping="1"' in text
    path = tmp_path / "braked.xml"
    path.write_text(text.replace('damping="1"', 'damping="1.01"'))
    return str(path)


def test_episodes_of_another_system_are_not_appended(tmp_path, braked):
    spec = describe(gym.make(PENDULUM))
    dataset = Dataset.create(tmp_path / "data", "InvertedPendulum", spec)
    for env, words in (
        (gym.make(PENDULUM, frame_skip=4), "frame_skip is 4, expected 2"),
        (gym.make("Reacher-v5"), "InvertedPendulum-v5"),
        (gym.make(PENDULUM, xml_file=braked), "end elsewhere, 'hinge', 'slider'"),
    ):
        episodes = []
        record(env, episodes.append, steps=20)
        with pytest.raises(DatasetError, match=words):
            dataset.append(episodes)
    assert Dataset.open(dataset.path).steps == 0


def test_an_environment_without_an_id_is_refused():
    from gymnasium.envs.mujoco.hopper_v5 import HopperEnv

    with pytest.raises(LearnedEnvsError, match=r"gym\.make"):
        Recorder(HopperEnv(), "agent:test", lambda episode: None)
