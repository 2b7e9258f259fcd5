"""docs/your_own.md as a user follows it: examples/your_own, with small budgets."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

FOLDER = Path(__file__).parents[1] / "examples" / "your_own"

COMMAND = ("-c", "import sys; from learned_envs.cli import main; sys.exit(main(sys.argv[1:]))")

FIT = (
    *("fit", "presser:Presser-v0", "--steps", "1500", "--learners", "0"),
    *("--members", "2", "--updates", "20", "--device", "cpu", "--no-report"),
)

ELSEWHERE = """
import gymnasium as gym, learned_envs.errors
env = gym.make("LearnedSim-v0", checkpoint={checkpoint!r}, compile=False)
env.reset(seed=0)
print(sorted(env.step(env.action_space.sample())[4]))

try:
    gym.make("LearnedSim-v0", checkpoint={checkpoint!r}, press_reward=3.0)
except learned_envs.errors.ParameterError as error:
    print(error)

import torch
from learned_envs.envs import FunctionalEnv
episodes = FunctionalEnv("LearnedSim-v0", num_envs=4, checkpoint={checkpoint!r}, compile=False)
now = episodes.step(episodes.init(seed=0), torch.zeros(4, 3))
print("functional", tuple(now.observation.shape))
"""
"""What a user does where the environment's module cannot be imported."""


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Iterator[gym.Env[Any, Any]]:
    monkeypatch.syspath_prepend(FOLDER)
    with closing(gym.make("presser:Presser-v0")) as made:
        yield made


def run(folder: Path, *words: str) -> str:
    """Run Python with some words in a folder, and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "mine"
    assert f'gym.make("LearnedSim-v0", checkpoint="{out}")' in run(
        FOLDER, *COMMAND, *FIT, "--out", str(out)
    )
    return out


@pytest.mark.filterwarnings("ignore:.*A Box observation space")
def test_gymnasium_finds_nothing_wrong(env: gym.Env[Any, Any]) -> None:
    check_env(env.unwrapped, skip_render_check=True)


def test_a_tip_that_falls_on_the_spot_presses_it(env: gym.Env[Any, Any]) -> None:
    env.reset(seed=0)
    unwrapped: Any = env.unwrapped
    steps = [env.step(np.zeros(3, np.float32)) for _ in range(50)]
    unwrapped._spot = float(env.unwrapped.data.site("tip").xpos[0])  # type: ignore[attr-defined]
    steps += [env.step(np.zeros(3, np.float32))]
    assert not steps[0][4]["pressing"]
    assert steps[-1][4]["pressing"]
    assert steps[-1][1] > 1.0


def test_agents_inside_and_outside_are_scored(fitted: Path) -> None:
    words = ("--checkpoint", str(fitted), "--steps", "4096", "--episodes", "2", "--seeds", "0")
    printed = run(FOLDER, "train_and_score.py", *words)
    assert re.search(r"trained inside -?\d+, trained outside -?\d+, score -?\d+\.\d\d", printed)


def test_the_users_module_is_not_needed(fitted: Path, tmp_path: Path) -> None:
    printed = run(tmp_path, "-c", ELSEWHERE.format(checkpoint=str(fitted)))
    assert "pressing" in printed
    assert "{'press_reward': 3.0}, for which the environment's own code is traced anew" in printed
    assert "functional (4, 15)" in printed
    assert "model / hold" in run(tmp_path, *COMMAND, "evaluate", str(fitted))
