import shutil

import numpy as np
import pytest
from grids import WRITTEN
from policies import Dying, Failing

from learned_envs.collect.collection import collect
from learned_envs.collect.exploration import FALL_STEPS
from learned_envs.data.dataset import Dataset
from learned_envs.errors import (
    DatasetError,
    LearnedEnvsError,
    ParameterError,
    UnknownNameError,
)
from learned_envs.systems.reference import make_reference


class TestReplay:
    @pytest.mark.parametrize("task", WRITTEN)
    def test_recorded_steps_are_mujocos(self, task, tmp_path):
        recording = collect(task, 1500, tmp_path / "data", workers=1).load()
        env = make_reference(task)
        env.reset(seed=0)
        base = env.unwrapped
        rows = recording.windows(1)
        assert len(rows) == 1500
        # A restart differs by the solver's warm start: 4e-15 at most over 6,000 steps.
        close = {"rtol": 0, "atol": 1e-12}
        for row in rows:
            base.set_state(recording.qpos[row], recording.qvel[row])
            observation, reward, *_ = base.step(recording.actions[row])
            np.testing.assert_allclose(base.data.qpos, recording.qpos[row + 1], **close)
            np.testing.assert_allclose(base.data.qvel, recording.qvel[row + 1], **close)
            np.testing.assert_allclose(observation, recording.observations[row + 1], **close)
            np.testing.assert_allclose(reward, recording.rewards[row], **close)

    def test_first_observation_is_of_the_first_state(self, hopper):
        recording = hopper.load()
        env = make_reference("Hopper")
        env.reset(seed=0)
        for row in recording.offsets[:50]:
            env.unwrapped.set_state(recording.qpos[row], recording.qvel[row])
            assert np.array_equal(env.unwrapped._get_obs(), recording.observations[row])

    def test_whole_episodes_follow_from_seed_start_and_actions(self, hopper):
        recording = hopper.load()
        env = make_reference("Hopper")
        for index in range(20):
            episode = recording.episode(index)
            env.reset(seed=episode.seed)
            env.unwrapped.set_state(episode.qpos[0], episode.qvel[0])
            for step, action in enumerate(episode.actions):
                env.unwrapped.step(action)
                assert np.array_equal(env.unwrapped.data.qpos, episode.qpos[step + 1])


class TestWhatIsCollected:
    def test_steps_are_shared_evenly(self, hopper):
        assert hopper.actors == {"agent:still": 3000, "random": 3000}
        assert hopper.steps == hopper.load().steps == 6000

    def test_every_episode_has_one_end(self, hopper):
        recording = hopper.load()
        assert (recording.terminated ^ recording.truncated).all()

    def test_actions_stay_in_range_and_differ_in_time_scale(self, hopper):
        recording = hopper.load()
        assert np.abs(recording.actions).max() == 1.0
        random = np.array([source == "random" for source in recording.actors])
        changes = [
            np.abs(np.diff(recording.episode(index).actions[:, 0])).mean()
            for index in np.flatnonzero(random & (recording.lengths >= 20))
        ]
        assert min(changes) < 0.1 < 0.5 < max(changes)

    def test_a_share_of_the_policys_episodes_is_without_noise(self, hopper):
        recording = hopper.load()
        calm = [
            not recording.episode(index).actions.any()
            for index, source in enumerate(recording.actors)
            if source == "agent:still"
        ]
        assert 0 < np.mean(calm) < 0.6

    def test_starts_are_broader_than_the_tasks(self, hopper):
        recording = hopper.load()
        first = recording.offsets
        # Hopper-v5 draws its starts within 0.005 of q0.
        away = np.abs(recording.qpos[first] - hopper.spec.q0).max(axis=1) > 0.005
        assert 0.3 < away.mean() < 0.7
        assert np.abs(recording.qpos[first, 0]).max() <= 0.005
        assert (np.abs(recording.qvel[first]) > 1.0).any()
        assert (np.abs(recording.qpos[first, 2]) < 0.2).all()
        for joint in hopper.spec.joints:
            if joint.limits is not None:
                low, high = joint.limits
                assert (recording.qpos[first, joint.q] >= low - 0.005).all()
                assert (recording.qpos[first, joint.q] <= high + 0.005).all()

    def test_some_episodes_go_on_after_a_fall_but_not_for_long(self, hopper):
        recording = hopper.load()
        fallen = (recording.qpos[:, 1] < 0.7) | (np.abs(recording.qpos[:, 2]) > 0.2)
        beyond = [
            fallen[start + 1 : start + length].sum()
            for start, length in zip(recording.offsets, recording.lengths, strict=True)
        ]
        assert 0.1 < np.mean(np.array(beyond) > 0) < 0.4
        assert max(beyond) <= FALL_STEPS


class TestScatteredStarts:
    def test_an_added_collection_starts_near_recorded_states(self, hopper, tmp_path):
        dataset = copied(hopper, tmp_path)
        before = dataset.load()
        far = [i for i in range(len(before)) if before.lengths[i] > 15]
        collect("Hopper", 1500, dataset, seed=3, workers=1)
        added = dataset.load().select(range(len(before), dataset.episodes))
        starts = added.qpos[added.offsets]
        # The task's own starts, perturbed or not, are at x = 0; a hopper that moved is not.
        elsewhere = np.abs(starts[:, 0]) > 0.01
        assert far and 0.1 < elsewhere.mean() < 0.9
        own = np.abs(before.qpos[:, None, 0] - starts[None, elsewhere, 0]).min(0)
        assert (own == 0).all()

    def test_it_is_the_same_when_resumed(self, hopper, tmp_path, small_chunks):
        whole, cut = copied(hopper, tmp_path / "a"), copied(hopper, tmp_path / "b")
        collect("Hopper", 1500, whole, seed=3, workers=1)

        def stop(done):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            collect("Hopper", 1500, cut, seed=3, workers=1, on_progress=stop)
        collect("Hopper", 1500, Dataset.open(cut.path), seed=3, workers=1)
        assert Dataset.open(cut.path).digest == whole.digest


def copied(dataset, folder):
    shutil.copytree(dataset.path, folder / "d")
    return Dataset.open(folder / "d")


class TestBadInput:
    def test_unknown_task(self, tmp_path):
        with pytest.raises(UnknownNameError, match="Did you mean 'Hopper'"):
            collect("Hoper", 100, tmp_path / "data")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"steps": 0},
            {"steps": -5},
            {"steps": 100.0},
            {"steps": True},
            {"seed": -1},
            {"seed": 1.5},
            {"workers": 0},
            {"random": "yes"},
            {"random": False},
            {"policies": [abs]},
            {"policies": {"a": "zip"}},
            {"drivers": {"a": None}},
            {"destination": 5},
        ],
    )
    def test_what_cannot_be_meant(self, tmp_path, wrong):
        arguments = {"steps": 100, "destination": tmp_path / "data", **wrong}
        with pytest.raises(ParameterError, match="expected"):
            collect("Hopper", **arguments)
        assert not (tmp_path / "data").exists()

    def test_a_dataset_of_another_task(self, hopper):
        for destination in (hopper, hopper.path):
            with pytest.raises(DatasetError, match="expected one of InvertedPendulum"):
                collect("InvertedPendulum", 100, destination)

    def test_a_policy_that_cannot_be_sent(self, tmp_path, small_chunks):
        policies = {"local": lambda observation: np.zeros(3)}
        with pytest.raises(ParameterError, match="workers=1"):
            collect("Hopper", 900, tmp_path / "data", policies=policies, workers=2)
        assert collect("Hopper", 900, tmp_path / "data", policies=policies, workers=1).steps == 900

    def test_a_policy_that_raises_in_a_worker(self, tmp_path, small_chunks):
        with pytest.raises(LearnedEnvsError, match="Unknown limb 'arm'"):
            collect("Hopper", 900, tmp_path / "data", policies={"f": Failing()}, workers=2)
        assert Dataset.open(tmp_path / "data").actors == {"random": 450}

    def test_a_worker_that_dies(self, tmp_path, small_chunks):
        recorded = collect("Hopper", 100, tmp_path / "data", workers=1)
        with pytest.raises(LearnedEnvsError, match="worker process died"):
            collect("Hopper", 900, recorded, policies={"d": Dying()}, workers=2)
        # It may die before the other worker has finished a chunk.
        assert Dataset.open(tmp_path / "data").steps >= 100


def test_what_is_frozen_is_not_perturbed(tmp_path):
    recording = collect("Reacher", 500, tmp_path / "data", workers=1).load()
    assert (recording.qvel[:, 2:] == 0).all()
    for index in range(len(recording)):
        goals = recording.episode(index).qpos[:, 2:]
        assert (goals == goals[0]).all()
        assert np.linalg.norm(goals[0]) < 0.2
