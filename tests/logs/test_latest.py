import msgspec
import numpy as np
import pytest

from learned_envs.data.dataset import Dataset
from learned_envs.logs.convert import DATA, LATEST, prepare
from learned_envs.logs.latest import earlier, latest
from learned_envs.logs.recordings import open_runs
from learned_envs.logs.states import States
from learned_envs.logs.stretch import stretches


def test_the_last_tenth_is_cut_off_to_the_row(arm_csv, arm_map):
    found = list(stretches(open_runs(arm_csv), arm_map))
    seconds = sum(stretch.seconds for stretch in found)
    assert found[-1].before + found[-1].seconds == pytest.approx(seconds)
    first, last = list(earlier(found, seconds)), list(latest(found, seconds))
    assert sum(s.seconds for s in last) == pytest.approx(0.1 * seconds, abs=0.05)
    assert len(first) == len(found) and len(last) == 1
    # The episode that spans the cut is in both, and no row of it is.
    (before,), (after,) = first[-1].tracks.values(), last[0].tracks.values()
    (whole,) = found[-1].tracks.values()
    assert np.array_equal(np.concatenate([before.time, after.time]), whole.time)
    assert after.first == whole.first + len(before.time)


def test_pieces_are_the_whole(arm_csv, arm_map, monkeypatch):
    monkeypatch.setattr("learned_envs.logs.stretch.PIECE", 50)
    stretch = next(stretches(open_runs(arm_csv), arm_map))
    pieces = list(stretch.pieces())
    assert len(pieces) == 5
    (whole,) = stretch.tracks.values()
    times = [next(iter(piece.tracks.values())).time for piece in pieces]
    assert np.array_equal(np.concatenate(times), whole.time)


def test_nothing_is_fitted_to_the_last_tenth(arm_csv, arm_map, tmp_path):
    with_delay = msgspec.structs.replace(arm_map, delay=2)
    data = prepare(arm_csv, with_delay, tmp_path / "logs")
    late = Dataset.open(tmp_path / "logs" / LATEST)
    assert data.path == tmp_path / "logs" / DATA and late.task == data.task
    found = list(stretches(open_runs(arm_csv), with_delay))
    whole = sum(len(e.rewards) for e in States(with_delay, 0.02, 2).episodes(found))
    assert 0.05 < late.steps / whole < 0.15
    assert 0.9 < (late.steps + data.steps) / whole <= 1.0
