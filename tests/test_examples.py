"""Each example runs, as a user would run it, with a small budget."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))

BUDGETS = {
    "step.py": "--steps 5 --checkpoint WEIGHTS",
    "train_sb3.py": "--steps 8192 --episodes 1 --checkpoint WEIGHTS",
    "refit.py": "--steps 1500 --updates 10",
    "plan_with_cem.py": "--task Hopper --steps 2 --horizon 3 --checkpoint WEIGHTS",
    "from_logs.py": "",
}
"""Words that keep an example short. What is shipped may change, so WEIGHTS are untrained."""

PRINTED = {
    "step.py": r"observations \(1024, 11\)",
    "train_sb3.py": r"return in the real Hopper-v5",
    "refit.py": r"refitting to 3,000 real steps, of which 1,500 are old",
    "plan_with_cem.py": r"(?s)(return in the real Hopper.*){3}",
    "from_logs.py": r"after 2 s of random torques the arm is at",
}

LEFT = {"train_sb3.py": "ppo-hopper.zip", "refit.py": "runs/second/model.safetensors"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs(example: Path, weights: Path, tmp_path: Path) -> None:
    assert example.name in BUDGETS, f"Give {example.name} a small budget here."
    words = BUDGETS[example.name].replace("WEIGHTS", str(weights)).split()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, example, *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(PRINTED.get(example.name, ""), done.stdout)
    assert (tmp_path / LEFT.get(example.name, "")).exists()
