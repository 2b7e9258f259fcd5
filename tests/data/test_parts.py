"""Episodes on their way into a dataset."""

from __future__ import annotations

import dataclasses

import pytest
from episodes import make_episode

from learned_envs.data import parts
from learned_envs.data.dataset import Dataset
from learned_envs.data.folder import PARTS
from learned_envs.data.parts import Parts, folder_of_parts
from learned_envs.errors import DatasetError


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "PART_STEPS", 10)


def test_no_more_is_kept_in_memory_than_a_part(small_parts, spec, tmp_path):
    made = Parts(tmp_path / "part", "Hopper", spec)
    for steps in (4, 5, 6, 3):
        made.add(make_episode(spec, steps))
    assert made.steps == 18
    assert [shard.steps for shard in made.dataset.shards] == [15]
    made.write()
    assert [shard.steps for shard in made.dataset.shards] == [15, 3]


def test_what_is_begun_anew_is_forgotten(small_parts, spec, tmp_path):
    made = Parts(tmp_path / "part", "Hopper", spec)
    for _ in range(3):
        made.add(make_episode(spec, 6))
    made.begin_anew()
    made.add(make_episode(spec, 7))
    made.write()
    assert made.steps == made.dataset.load().steps == 7


def test_all_files_of_a_part_are_added_at_once(small_parts, dataset, spec, tmp_path):
    before = dataset.load()
    # What a kill in the middle of an earlier try left; no manifest names it.
    (dataset.path / f"shard-{len(dataset.shards):05d}.safetensors").write_bytes(b"half")
    with folder_of_parts(dataset.path) as folder:
        made = Parts(folder / "0", dataset.task, spec)
        for _ in range(4):
            made.add(make_episode(spec, 6))
        made.write()
        dataset.take(made.dataset, {"chunk": 0})
    assert not [*dataset.path.glob(f"{PARTS}*")]
    after = Dataset.open(dataset.path)
    assert [shard.origin for shard in after.shards[-2:]] == [{"chunk": 0}] * 2
    assert after.load().steps == before.steps + 24


def test_parts_of_killed_processes_are_removed_and_those_of_others_stay(dataset):
    (dataset.path / f"{PARTS}left").mkdir()
    (dataset.path / f"{PARTS}left" / "0").mkdir()
    with folder_of_parts(dataset.path) as first, folder_of_parts(dataset.path) as second:
        assert {*dataset.path.glob(f"{PARTS}*")} == {first, second}
    assert not [*dataset.path.glob(f"{PARTS}*")]


def test_parts_of_another_system_are_refused(dataset, spec, tmp_path):
    other = Dataset.create(
        tmp_path / "other", dataset.task, dataclasses.replace(spec, timestep=1.0)
    )
    other.append([make_episode(spec, 2)])
    with pytest.raises(DatasetError, match="another system"):
        dataset.take(other)
    assert Dataset.open(dataset.path).steps == dataset.steps
