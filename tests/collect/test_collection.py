import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from grids import TASKS

from learned_envs.collect import collection
from learned_envs.collect.collection import Recorder, collect
from learned_envs.collect.exploration import FALL_STEPS, Noise
from learned_envs.data.dataset import Dataset
from learned_envs.errors import (
    DatasetError,
    LearnedEnvsError,
    OutputError,
    ParameterError,
    UnknownNameError,
)
from learned_envs.systems.reference import make_reference


class Still:
    """A policy that does nothing."""

    def __call__(self, observation):
        return np.zeros(3)


class Dying:
    """A policy that takes its process with it."""

    def __call__(self, observation):
        os._exit(1)


class Failing:
    def __call__(self, observation):
        raise UnknownNameError("limb", "arm", ["leg"])


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(collection, "CHUNK_STEPS", 200)


@pytest.fixture(scope="module")
def hopper(tmp_path_factory):
    path = tmp_path_factory.mktemp("collection") / "hopper"
    return collect("Hopper", 6000, path, policies={"still": Still()}, workers=1)


class TestReplay:
    @pytest.mark.parametrize("task", TASKS)
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
        assert hopper.sources == {"agent:still": 3000, "random": 3000}
        assert hopper.steps == hopper.load().steps == 6000

    def test_every_episode_has_one_end(self, hopper):
        recording = hopper.load()
        assert (recording.terminated ^ recording.truncated).all()

    def test_actions_stay_in_range_and_differ_in_time_scale(self, hopper):
        recording = hopper.load()
        assert np.abs(recording.actions).max() == 1.0
        random = np.array([source == "random" for source in recording.sources])
        changes = [
            np.abs(np.diff(recording.episode(index).actions[:, 0])).mean()
            for index in np.flatnonzero(random & (recording.lengths >= 20))
        ]
        assert min(changes) < 0.1 < 0.5 < max(changes)

    def test_a_share_of_the_policys_episodes_is_without_noise(self, hopper):
        recording = hopper.load()
        calm = [
            not recording.episode(index).actions.any()
            for index, source in enumerate(recording.sources)
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


class TestDeterminism:
    @pytest.fixture
    def one_worker(self, small_chunks, tmp_path):
        policies = {"still": Still()}
        return collect("Hopper", 1500, tmp_path / "one", policies=policies, seed=7, workers=1)

    def test_equal_whatever_the_number_of_workers(self, one_worker, tmp_path):
        seen = []
        many = collect(
            "Hopper",
            1500,
            tmp_path / "many",
            policies={"still": Still()},
            seed=7,
            workers=3,
            on_progress=seen.append,
        )
        assert many.digest == one_worker.digest
        assert seen == [200, 400, 600, 750, 950, 1150, 1350, 1500]

    def test_another_seed_gives_other_data(self, one_worker, tmp_path):
        other = collect(
            "Hopper", 1500, tmp_path / "o", policies={"still": Still()}, seed=8, workers=1
        )
        assert not set(other.load().seeds) & set(one_worker.load().seeds)

    def test_resumes_after_an_interrupt(self, one_worker, tmp_path):
        def interrupt(steps):
            if steps >= 600:
                raise KeyboardInterrupt

        def again(on_progress, workers=1):
            return collect(
                "Hopper",
                1500,
                tmp_path / "cut",
                policies={"still": Still()},
                seed=7,
                workers=workers,
                on_progress=on_progress,
            )

        with pytest.raises(KeyboardInterrupt):
            again(interrupt, workers=2)
        assert not multiprocessing.active_children()
        assert Dataset.open(tmp_path / "cut").steps == 600
        seen = []
        assert again(seen.append).digest == one_worker.digest
        assert seen[0] == 750
        assert again(seen.append).digest == one_worker.digest
        assert seen[-1] == 1500

    def test_another_collection_is_added_only_on_purpose(self, one_worker, tmp_path):
        with pytest.raises(OutputError, match=r"Dataset\.open"):
            collect("Hopper", 400, one_worker.path, seed=7, workers=1)
        both = collect("Hopper", 400, Dataset.open(one_worker.path), seed=7, workers=1)
        assert both.steps == Dataset.open(one_worker.path).load().steps == 1900
        seeds = both.load().seeds
        assert len(set(seeds)) == len(seeds)


KILLED = """
import sys
from learned_envs.collect import collection
collection.CHUNK_STEPS = 200
if __name__ == "__main__":
    collection.collect("Hopper", 40_000, sys.argv[1], workers=2)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_kill_leaves_a_dataset_and_no_process(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    path = tmp_path / "data"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, script, path], env=environment) as process:
        manifest = path / "manifest.json"
        deadline = time.monotonic() + 240
        while not (manifest.exists() and json.loads(manifest.read_text())["shards"]):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGKILL)
    assert len(children) >= 2
    dataset = Dataset.open(path, "Hopper")
    assert dataset.load().steps == dataset.steps >= 200
    while any(_alive(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(process):
    try:
        # Where nobody reaps orphans, as in a container, a dead one stays as a zombie.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class TestBadInput:
    def test_unknown_task(self, tmp_path):
        with pytest.raises(UnknownNameError, match="Did you mean 'Hopper'"):
            collect("Hoper", 100, tmp_path / "data")

    @pytest.mark.parametrize(("steps", "seed"), [(0, 0), (-5, 0), (100, -1)])
    def test_steps_and_seed(self, tmp_path, steps, seed):
        with pytest.raises(ParameterError, match="at least one step"):
            collect("Hopper", steps, tmp_path / "data", seed=seed)
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
        assert Dataset.open(tmp_path / "data").sources == {"random": 450}

    def test_a_worker_that_dies(self, tmp_path, small_chunks):
        with pytest.raises(LearnedEnvsError, match="worker process died"):
            collect("Hopper", 900, tmp_path / "data", policies={"d": Dying()}, workers=2)
        Dataset.open(tmp_path / "data")


class TestRecorder:
    def test_records_what_a_learner_sees(self):
        episodes, seen = [], []
        env = Recorder(make_reference("Hopper"), "agent:test", episodes.append)
        env.action_space.seed(0)
        observation, _ = env.reset(seed=5)
        ends = []
        for _ in range(200):
            seen.append(observation)
            action = env.action_space.sample()
            observation, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                seen.append(observation)
                ends.append((terminated, truncated))
                observation, _ = env.reset()
        env.reset()
        assert sum(len(episode.rewards) for episode in episodes) == 200
        assert len(episodes) == len(ends) + 1
        assert [(e.terminated, e.truncated) for e in episodes] == [*ends, (False, True)]
        assert [episode.seed for episode in episodes] == [5] + [-1] * len(ends)
        assert {episode.source for episode in episodes} == {"agent:test"}
        recorded = np.concatenate([episode.observations for episode in episodes])
        np.testing.assert_array_equal(recorded[: len(seen)], seen)
        env.close()
        assert len(episodes) == len(ends) + 1

    def test_what_it_records_can_be_appended(self, hopper, tmp_path):
        dataset = Dataset.create(tmp_path / "data", "Hopper", hopper.spec)
        env = Recorder(make_reference("Hopper"), "agent:test", lambda e: dataset.append([e]))
        env.reset(seed=0)
        env.step(np.zeros(3))
        env.close()
        assert dataset.load().steps == 1
        assert dataset.sources == {"agent:test": 1}

    def test_the_recorded_action_is_what_moved_the_system(self):
        episodes = []
        env = Recorder(make_reference("Hopper"), "agent:test", episodes.append)
        env.reset(seed=0)
        fine = np.array([1 / 3, -1 / 7, 0.1])
        env.step(fine)
        env.close()
        twin = make_reference("Hopper")
        twin.reset(seed=0)
        twin.step(episodes[0].actions[0])
        assert np.array_equal(twin.unwrapped.data.qvel, episodes[0].qvel[1])


def test_what_is_frozen_is_not_perturbed(tmp_path):
    recording = collect("Reacher", 500, tmp_path / "data", workers=1).load()
    assert (recording.qvel[:, 2:] == 0).all()
    for index in range(len(recording)):
        goals = recording.episode(index).qpos[:, 2:]
        assert (goals == goals[0]).all()
        assert np.linalg.norm(goals[0]) < 0.2


@pytest.mark.parametrize("held", [False, True])
def test_alternating_noise_changes_its_sign_at_nearly_every_step(held):
    noise = Noise(np.random.default_rng(0), 3, 50.0, held=held, alternating=True)
    drawn = np.array([noise() for _ in range(500)])
    # A time constant of 50 steps forgets a fiftieth of what it remembers in a step.
    assert (drawn[1:] * drawn[:-1] < 0).mean() > 0.9
