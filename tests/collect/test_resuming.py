"""A collection is the same however many processes record it, and however often it is cut."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from policies import Still
from processes import alive, children_of

from learned_envs.collect.collection import collect
from learned_envs.data.dataset import Dataset
from learned_envs.errors import OutputError


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
        children = children_of(process.pid)
        process.send_signal(signal.SIGKILL)
    assert len(children) >= 2
    dataset = Dataset.open(path, "Hopper")
    assert dataset.load().steps == dataset.steps >= 200
    while any(alive(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
