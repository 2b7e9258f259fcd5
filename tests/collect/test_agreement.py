"""Data that is not what moved the system is found before it is learned from, and named."""

import warnings
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from grids import WRITTEN

from learned_envs import registry
from learned_envs.collect.agreement import check_recording, check_source
from learned_envs.collect.collection import collect
from learned_envs.collect.recorder import Recorder
from learned_envs.data.dataset import Dataset
from learned_envs.data.recording import Recording
from learned_envs.data.source import ImportedDataset
from learned_envs.errors import DatasetError
from learned_envs.fit.config import FitConfig
from learned_envs.fit.run import evaluate_run, fit
from learned_envs.systems.reference import spec_of

TASK = "Hopper"


@pytest.fixture(scope="module")
def recording(hopper):
    return hopper.load()


def check(recording, spec=None):
    check_recording(recording, spec or spec_of(TASK), TASK, "D")


@pytest.mark.parametrize("task", [t for t in WRITTEN if "Pendulum-" not in t])
def test_what_was_collected_agrees(task, tmp_path):
    check_source(collect(task, 400, tmp_path / "data", workers=1), task)


def test_data_in_float32_agrees(recording):
    names = ("qpos", "qvel", "observations", "rewards")
    check(replace(recording, **{n: np.float64(np.float32(getattr(recording, n))) for n in names}))


@pytest.mark.parametrize("factor", [3, 1 / 3, -1, 1.1, 1.02])
def test_scaled_actions_are_found_with_their_factor(recording, factor):
    actions = (recording.actions * factor).astype(np.float32)
    words = rf"times {1 / factor:.3g} reproduces the motion: was Resc"
    with pytest.raises(DatasetError, match=words):
        check(replace(recording, actions=actions))


def test_actions_of_another_step_are_found(recording):
    with pytest.raises(DatasetError, match="action of the step after"):
        check(replace(recording, actions=np.roll(recording.actions, 1, axis=0)))


def test_a_small_part_of_the_data_is_enough(recording):
    actions = recording.actions.copy()
    actions[-len(actions) // 12 :] *= 3
    with pytest.raises(DatasetError, match=r"times 0\.33"):
        check(replace(recording, actions=actions))


def test_each_actor_is_asked(recording):
    rows = np.repeat(recording.actors, recording.lengths + 1) == "agent:still"
    shifted = np.where(rows[:, None], recording.actions + 0.4, recording.actions)
    with pytest.raises(DatasetError, match="steps of 'agent:still': taken again"):
        check(replace(recording, actions=shifted.astype(np.float32)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"observations": lambda r: r.observations / 2}, "observations are not those"),
        ({"observations": lambda r: r.observations[:, 1:]}, "10 numbers, those of Hopper-v5 have"),
        ({"qvel": lambda r: r.qvel * 1.5}, "end elsewhere"),
    ],
    ids=["observations", "their size", "velocities"],
)
def test_what_differs_is_named(recording, change, words):
    with pytest.raises(DatasetError, match=words):
        check(replace(recording, **{name: make(recording) for name, make in change.items()}))


def test_noise_on_observations_is_found(recording):
    noise = 0.01 * np.random.default_rng(0).normal(size=recording.observations.shape)
    with pytest.raises(DatasetError, match="observations are not those"):
        check(replace(recording, observations=recording.observations + noise))


def test_an_end_that_the_task_does_not_make_is_said(recording):
    episodes = [recording.episode(index) for index in np.flatnonzero(recording.lengths > 12)]
    states, steps = ("qpos", "qvel", "observations"), ("actions", "rewards")
    cut = [
        replace(
            episode,
            **{name: getattr(episode, name)[:4] for name in states},
            **{name: getattr(episode, name)[:3] for name in steps},
            terminated=True,
            truncated=False,
        )
        for episode in episodes
    ]
    with pytest.warns(UserWarning, match="ends of episodes, are not those of Hopper-v5"):
        check(Recording.of(cut))


def test_rewards_that_the_environment_does_not_pay_are_said(recording):
    with pytest.warns(UserWarning, match="rewards, such as .* where it pays"):
        check(replace(recording, rewards=10 * recording.rewards))


def test_another_frame_skip_is_found():
    episodes = []
    env = Recorder(gym.make("Hopper-v5", frame_skip=8), "agent:test", episodes.append)
    env.action_space.seed(0)
    for _ in range(5):
        env.reset(seed=0)
        for _ in range(8):
            env.step(env.action_space.sample())
    env.close()
    with pytest.raises(DatasetError, match="With frame_skip=8"):
        check(Recording.of(episodes))


def test_a_spec_of_another_system_is_named(recording):
    spec = replace(spec_of(TASK), timestep=0.004)
    with pytest.raises(DatasetError, match=r"timestep is 0\.004, expected 0\.002"):
        check(recording, spec)


@pytest.mark.filterwarnings("error")
def test_a_set_that_says_its_parameters_is_compared_with_them(tmp_path):
    parameters = {"exclude_current_positions_from_observation": False, "healthy_reward": 3.0}
    episodes = []
    env = Recorder(gym.make("Hopper-v5", **parameters), "agent:test", episodes.append)
    env.reset(seed=0)
    for _ in range(20):
        env.step(np.zeros(3))
    env.close()
    made = ImportedDataset(tmp_path, TASK, spec_of(TASK), "", Recording.of(episodes))
    check_source(replace(made, parameters=parameters), TASK)
    with pytest.raises(DatasetError, match="12 numbers"):
        check_source(made, TASK)


@pytest.fixture
def wrong(recording, tmp_path):
    """A dataset that says a third of what the motors were given."""
    dataset = Dataset.create(tmp_path / "wrong", TASK, spec_of(TASK))
    actions = (recording.actions / 3).astype(np.float32)
    scaled = replace(recording, actions=actions)
    dataset.append([scaled.episode(index) for index in range(40)])
    return dataset


def test_a_fit_refuses_it_and_leaves_no_folder(wrong, tmp_path):
    with pytest.raises(DatasetError, match="times 3 reproduces"):
        fit(TASK, tmp_path / "run", FitConfig(data=str(wrong.path)), device="cpu")
    assert not (tmp_path / "run").exists()


def test_an_evaluation_refuses_it(wrong, checkpoint):
    with pytest.raises(DatasetError, match="times 3 reproduces"):
        evaluate_run(checkpoint(TASK), wrong.path, trajectories=10, device="cpu")


@pytest.mark.parametrize(
    ("reference_id", "kwargs"), [("Hopper-v5", {"xml_file": "/gone.xml"}), ("CartPole-v1", {})]
)
def test_that_a_system_is_not_at_hand_is_said(recording, monkeypatch, reference_id, kwargs):
    entry = registry.TaskEntry("Gone", "learned_envs.tasks.hopper:Hopper", reference_id, kwargs)
    monkeypatch.setitem(registry.TASKS, "Gone", entry)
    with pytest.warns(UserWarning, match=f"was not checked, because {reference_id}"):
        check_recording(recording, spec_of(TASK), "Gone", "D")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(recording)
