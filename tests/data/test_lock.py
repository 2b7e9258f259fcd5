"""Whoever writes to a dataset at the same time takes turns, and loses nothing."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from episodes import edit_manifest, make_episode

from learned_envs.data.dataset import Dataset
from learned_envs.data.lock import LOCK, writing
from learned_envs.errors import OutputError

APPEND = """
import sys
from learned_envs.data.dataset import Dataset
sys.path.insert(0, sys.argv[1])
from episodes import make_episode
dataset = Dataset.open(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for index in range(8):
    seed = 100 * int(sys.argv[3]) + index
    dataset.append([make_episode(dataset.spec, 3, seed)], {"seed": seed})
"""

HOLD = """
import sys, time
from pathlib import Path
from learned_envs.data.lock import writing
with writing(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(600)
"""


def start(script, *arguments):
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def names(folder):
    return {entry.name for entry in folder.iterdir()}


@pytest.fixture
def empty(tmp_path, spec):
    return Dataset.create(tmp_path / "data", "Hopper", spec)


def test_processes_that_append_at_once_lose_nothing(empty):
    processes = [start(APPEND, Path(__file__).parent, empty.path, index) for index in range(3)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.wait() for process in processes] == [0, 0, 0]
    dataset = Dataset.open(empty.path)
    expected = {100 * process + index for process in range(3) for index in range(8)}
    assert {*dataset.load().seeds} == {shard.origin["seed"] for shard in dataset.shards} == expected
    assert names(empty.path) == {"manifest.json", *(shard.name for shard in dataset.shards)}


def test_threads_that_append_at_once_lose_nothing(empty, spec):
    def append(seed):
        Dataset.open(empty.path).append([make_episode(spec, 2, seed)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(40)))
    assert sorted(Dataset.open(empty.path).load().seeds) == [*range(40)]


def test_of_those_who_make_one_at_once_one_does(tmp_path, spec):
    def create(_):
        try:
            Dataset.create(tmp_path / "data", "Hopper", spec)
        except OutputError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(8)))
    assert answers.count(None) == 1
    assert all("not empty" in answer for answer in answers if answer)
    assert names(tmp_path / "data") == {"manifest.json"}


def test_a_writer_that_was_killed_holds_nobody_up(empty, spec):
    process = start(HOLD, empty.path)
    assert LOCK in names(empty.path)
    process.kill()
    process.wait()
    assert LOCK in names(empty.path)
    Dataset.open(empty.path).append([make_episode(spec, 2)])
    assert names(empty.path) == {"manifest.json", "shard-00000.safetensors"}


def test_a_folder_where_a_writer_was_killed_counts_as_empty(tmp_path, spec):
    (tmp_path / LOCK).touch()
    Dataset.create(tmp_path, "Hopper", spec)
    assert names(tmp_path) == {"manifest.json"}


def test_who_waits_too_long_is_told(empty):
    with (
        writing(empty.path),
        pytest.raises(OutputError, match="Another process has been writing"),
        writing(empty.path, wait=0.1),
    ):
        pass
    with writing(empty.path, wait=0.1):
        pass


def test_no_shard_is_overwritten_though_one_was_taken_out(dataset, spec):
    (dataset.path / "shard-00000.safetensors").unlink()
    edit_manifest(dataset, lambda plain: plain["shards"].pop(0))
    reopened = Dataset.open(dataset.path)
    reopened.append([make_episode(spec, 4)])
    assert [shard.name[6:11] for shard in reopened.shards] == ["00001", "00002"]
    assert Dataset.open(dataset.path).load().steps == 14


def test_what_was_taken_once_is_not_taken_again(dataset, spec, tmp_path):
    before = dataset.steps
    stale = Dataset.open(dataset.path)
    other = Dataset.create(tmp_path / "other", dataset.task, spec)
    other.append([make_episode(spec, 2)])
    dataset.take(other, {"chunk": 3, "of": (1, 2)}, once=True)
    stale.take(other, {"chunk": 3, "of": [1, 2]}, once=True)
    assert stale.steps == dataset.steps == before + 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_may_not_be_written_to_can_be_read(dataset, spec):
    dataset.path.chmod(0o500)
    assert Dataset.open(dataset.path).load().steps == 28
    with pytest.raises(OutputError, match="Cannot write to"):
        dataset.append([make_episode(spec, 2)])
    dataset.path.chmod(0o700)


def test_who_reads_leaves_nothing_behind(dataset):
    before = names(dataset.path)
    Dataset.open(dataset.path).load()
    assert names(dataset.path) == before
