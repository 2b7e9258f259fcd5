"""Each example runs, as a user would run it, with a small budget."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(folder, name, *words):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_step(tmp_path, weights):
    printed = run(tmp_path, "step.py", "--steps", 5, "--checkpoint", weights)
    assert "observations (1024, 11)" in printed


def test_train_sb3(tmp_path, weights):
    words = ("--steps", 8192, "--episodes", 1, "--checkpoint", weights)
    assert "return in the real Hopper-v5" in run(tmp_path, "train_sb3.py", *words)
    assert (tmp_path / "ppo-hopper.zip").exists()


def test_refit(tmp_path):
    printed = run(tmp_path, "refit.py", "--steps", 1500, "--updates", 10)
    assert "refitting to 3,000 real steps, of which 1,500 are old" in printed
    assert (tmp_path / "runs" / "second" / "model.safetensors").exists()


def test_plan_with_cem(tmp_path, weights):
    words = ("--task", "Hopper", "--steps", 2, "--horizon", 3, "--checkpoint", weights)
    printed = run(tmp_path, "plan_with_cem.py", *words)
    assert printed.count("return in the real Hopper") == 3


def test_every_example_is_run_here():
    names = {"step.py", "train_sb3.py", "refit.py", "plan_with_cem.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == names
