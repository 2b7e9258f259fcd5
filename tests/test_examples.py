"""Each example runs, as a user would run it, with a small budget."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import torch

from learned_envs.checkpoint import save_checkpoint
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.state import State
from learned_envs.systems.reference import make_reference

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def weights(spec, tmp_path_factory):
    """An untrained Hopper that knows the range of a little data: what is shipped may change."""
    torch.manual_seed(0)
    model = Ensemble(SecondOrder(hidden=(16, 16)), spec("Hopper"), members=2)
    rows = []
    with closing(make_reference("Hopper")) as env:
        env.reset(seed=0)
        for _ in range(200):
            before = env.unwrapped.data.qpos.copy(), env.unwrapped.data.qvel.copy()
            action = env.action_space.sample()
            _, _, terminated, truncated, _ = env.step(action)
            after = env.unwrapped.data.qpos.copy(), env.unwrapped.data.qvel.copy()
            rows.append(
                [torch.tensor(row, dtype=torch.float32) for row in (*before, action, *after)]
            )
            if terminated or truncated:
                env.reset()
    q, v, action, next_q, next_v = (torch.stack(column) for column in zip(*rows, strict=True))
    model.normalise(State(q, v), action, State(next_q, next_v))
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_checkpoint(path, model, {"task": "Hopper"})
    return path


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
