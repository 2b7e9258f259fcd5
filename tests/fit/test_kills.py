"""A fit that is killed at random moments, and resumed, ends with the weights of one left alone."""

import random
import subprocess
import sys
import time

import pytest

from learned_envs.checkpoint import load_checkpoint
from learned_envs.fit.folder import CONFIG_FILE

TASK, KILLS = "InvertedPendulum", 3

CHILD = """
import sys
import learned_envs.fit.run, learned_envs.sb3
from learned_envs.cli import main
from learned_envs.fit import training
training.SAVE_SECONDS = 0.05  # A small fit is over long before the first save otherwise.
print("ready", flush=True)
if __name__ == "__main__":
    sys.exit(main())
"""

SETTINGS = (
    "--steps 3000 --learners 0 --device cpu --updates 200 --check-every 25 --batch-size 32 "
    "--members 2 --horizons 2 4 --option hidden=16,16"
)


@pytest.fixture
def start(tmp_path):
    """`start(out)`: a process that fits into a folder, or resumes, and has begun to."""
    script = tmp_path / "child.py"
    script.write_text(CHILD)

    def start(out):
        options = ["--resume"] if (out / CONFIG_FILE).exists() else SETTINGS.split()
        command = [sys.executable, script, "fit", TASK, "--out", out, *options]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
        assert process.stdout.readline() == "ready\n"
        return process

    return start


def end(process):
    _, complaint = process.communicate()
    assert process.returncode == 0, complaint


def test_kills_at_random_moments(start, tmp_path):
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    process, begin = start(alone), time.monotonic()
    end(process)
    duration = time.monotonic() - begin
    moments = random.Random(0)
    for _ in range(KILLS):
        process = start(killed)
        time.sleep(moments.uniform(0, duration / KILLS))
        process.kill()
        process.communicate()
    end(start(killed))
    digests = {load_checkpoint(out, task=TASK)[1]["sha256"] for out in (alone, killed)}
    assert len(digests) == 1
