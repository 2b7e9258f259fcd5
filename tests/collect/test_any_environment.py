"""Any environment that keeps MuJoCo is recorded with all of its state, by its own name."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from gymnasium.spaces.utils import flatten
from robots import ROBOT
from users import users_module

from learned_envs.collect import collection
from learned_envs.collect.agreement import check_recording
from learned_envs.collect.asking import ask
from learned_envs.collect.exploration import PastTheEnd
from learned_envs.collect.recorder import Recorder
from learned_envs.errors import DatasetError
from learned_envs.fit import Dataset, collect
from learned_envs.systems.discovery import discover
from learned_envs.systems.flat import flat
from learned_envs.systems.reference import make_reference

TASK = "my_reach:Reach-v0"
ACT, GOAL, DELAYED = "act", "mocap_pos", "env.simulator.delayed"


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with users_module(tmp_path_factory.mktemp("reach"), "my_reach", ROBOT) as name:
        yield name


@pytest.fixture(scope="module")
def data(module: str, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collection, "CHUNK_STEPS", 700)
        return collect(TASK, 2000, tmp_path_factory.mktemp("data") / "d", workers=2)


def test_the_spec_has_all_that_belongs_to_the_state(data):
    leaves = {leaf.name: (leaf.size, leaf.frozen, leaf.seen) for leaf in data.spec.leaves}
    assert leaves == {ACT: (1, False, True), GOAL: (3, True, True), DELAYED: (2, False, True)}
    assert (data.spec.frame_skip, data.spec.nu) == (4, 2)


def test_leaves_are_recorded_flat_with_every_state(data):
    recording = data.load()
    sizes = {name: column.shape[1] for name, column in recording.columns.items()}
    assert sizes == {ACT: 1, GOAL: 3, DELAYED: 2}
    for index in range(len(recording)):
        episode = recording.episode(index)
        assert not np.ptp(episode.columns[GOAL], axis=0).any()
        np.testing.assert_array_equal(episode.columns[DELAYED][1:], episode.actions)
    assert np.ptp(recording.columns[GOAL], axis=0).any()


def test_observations_of_parts_are_one_row_in_gymnasiums_order(data):
    recording = data.load()
    assert recording.observations.shape[1] == 12
    np.testing.assert_array_equal(recording.observations[:, :2], recording.qpos)
    np.testing.assert_array_equal(recording.observations[:, 4:6], recording.columns[DELAYED])
    np.testing.assert_array_equal(recording.observations[:, 9:], recording.columns[GOAL])
    row = {"observation": np.arange(6), "achieved_goal": np.arange(3), "desired_goal": np.ones(3)}
    space = make_reference(TASK).unwrapped.observation_space
    np.testing.assert_array_equal(flat(space, row), flatten(space, row))


def test_steps_with_another_memory_are_refused(data):
    recording = data.load()
    other = {**recording.columns, DELAYED: np.zeros_like(recording.columns[DELAYED])}
    check_recording(recording, data.spec, TASK, "it", same=True)
    with pytest.raises(DatasetError, match="steps end elsewhere"):
        check_recording(replace(recording, columns=other), data.spec, TASK, "it", same=True)


def test_falls_end_where_an_environment_refuses_to_go_on(module):
    episodes = []
    env = make_reference("my_reach:Final-v0")
    spec = discover(env).spec
    recorder = Recorder(PastTheEnd(env), "agent:test", episodes.append, spec=spec)
    for seed in range(3):
        recorder.reset(seed=seed)
        for _ in range(50):
            *_, terminated, truncated, _ = recorder.step(np.ones(2, dtype=np.float32))
            if terminated or truncated:
                break
    recorder.close()
    assert len(episodes) == 3
    for episode in episodes:
        assert episode.qpos[-1, 0] > 0.3
        assert len(episode.rewards) < 50


def test_an_environment_that_cannot_look_begins_after_a_step(module):
    episodes = []
    spec = ask(TASK).spec
    env = make_reference("my_reach:Blind-v0")
    recorder = Recorder(env, "agent:test", episodes.append, spec=spec)
    recorder.reset(seed=0)
    goal = env.unwrapped.simulator.state.mocap_pos[0].copy()
    q = np.array([0.5, -0.5])
    observation = recorder.set_state(q, np.zeros(2))
    for _ in range(3):
        recorder.step(np.array([0.2, 0.3], dtype=np.float32))
    recorder.close()
    (episode,) = episodes
    np.testing.assert_array_equal(episode.observations[0], observation)
    np.testing.assert_array_equal(episode.observations[:, :2], episode.qpos)
    np.testing.assert_array_equal(episode.columns[GOAL], [goal] * 4)
    # One step of 0.02 s from rest.
    assert 0 < np.abs(episode.qpos[0] - q).max() < 0.02
