import pytest
from episodes import assert_equal, make_episode

from learned_envs.data.recording import Recording
from learned_envs.errors import DatasetError


class TestRecording:
    @pytest.mark.parametrize("length", [1, 2, 5, 12, 13])
    def test_windows_stay_in_one_episode(self, dataset, length):
        recording = dataset.load()
        expected = [
            start + i
            for start, steps in zip(recording.offsets, recording.lengths, strict=True)
            for i in range(steps - length + 1)
        ]
        assert recording.windows(length).tolist() == expected

    def test_split_is_a_partition_by_episode(self, dataset):
        recording = dataset.load()
        rest, held = recording.split(0.4, seed=3)
        assert len(rest) + len(held) == len(recording) == 5
        assert sorted([*rest.seeds, *held.seeds]) == sorted(recording.seeds)
        for part in (rest, held):
            for index, seed in enumerate(part.seeds):
                assert_equal(part.episode(index), recording.episode(int(seed)))

    def test_split_follows_the_seed(self, dataset):
        recording = dataset.load()
        assert_equal(recording.split(0.4, 3)[1], recording.split(0.4, 3)[1])
        held = {tuple(recording.split(0.4, seed)[1].seeds) for seed in range(8)}
        assert len(held) > 1

    @pytest.mark.parametrize("fraction", [0.0, 1.0])
    def test_split_leaves_neither_part_empty(self, dataset, fraction):
        rest, held = dataset.load().split(fraction, 0)
        assert len(rest) >= 1
        assert len(held) >= 1

    def test_split_of_one_episode(self, dataset):
        with pytest.raises(DatasetError, match="at least 2"):
            dataset.load().select([0]).split(0.5, 0)


def test_episodes_stay_on_their_side_of_a_split_where_others_are_added(spec):
    every = [make_episode(spec, 3, seed) for seed in range(60)]
    rest, held_out = Recording.of(every[:40]).split(0.2, seed=3)
    more, held_out_more = Recording.of(every).split(0.2, seed=3)
    assert set(rest.seeds) <= set(more.seeds)
    assert set(held_out.seeds) <= set(held_out_more.seeds)
    assert len(rest) + len(held_out) == 40
