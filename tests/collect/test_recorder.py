import numpy as np

from learned_envs.collect.recorder import Recorder
from learned_envs.data.dataset import Dataset
from learned_envs.systems.reference import make_reference


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
        assert {episode.actor for episode in episodes} == {"agent:test"}
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
        assert dataset.actors == {"agent:test": 1}

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
