"""One's own robot, from its file to a learned environment: the Go1 of the examples."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import learned_envs  # noqa: F401
from learned_envs.cli import main
from learned_envs.state import State

GO1 = Path(__file__).parents[1] / "examples" / "unitree_go1"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What one command leaves, after a training too short to be good."""
    folder = tmp_path_factory.mktemp("runs") / "go1"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(GO1)
        patch.delitem(sys.modules, "go1", raising=False)
        words = f"fit go1:Go1Velocity-v0 --out {folder} --steps 1500 --updates 10"
        assert main(words.split()) == 0
        yield folder


def test_traced_and_hosted_rules_are_one(run: Path) -> None:
    options = {"checkpoint": run, "max_disagreement": None}
    traced: Any = gym.make("LearnedSim-v0", **options).unwrapped
    hosted: Any = gym.make("LearnedSim-v0", rules="hosted", **options).unwrapped
    with closing(traced), closing(hosted):
        traced.reset(seed=0)
        hosted.reset(seed=0)
        state = traced.state
        assert {"env._last_action", "env._command", "env._phase"} <= set(state.memory)
        hosted.state = State(state.q.double(), state.v.double(), state.memory)
        traced.action_space.seed(0)
        for _ in range(20):
            action = traced.action_space.sample()
            ours, theirs = traced.step(action), hosted.step(action)
            # 1e-7 was measured: float32.
            np.testing.assert_allclose(ours[0], theirs[0], rtol=0, atol=1e-5)
            assert ours[1] == pytest.approx(theirs[1], abs=1e-5)
            assert ours[2:4] == theirs[2:4]
            assert ours[4].keys() == theirs[4].keys()
            if any(ours[2:4]):
                break


def test_the_robots_code_is_not_needed(run: Path, tmp_path: Path) -> None:
    program = f"""
import sys
import gymnasium as gym, learned_envs
env = gym.make(
    "LearnedSim-v0", checkpoint={str(run)!r}, render_mode="rgb_array", width=64, height=48
)
observation, _ = env.reset(seed=0)
observation, reward, *_ = env.step(env.action_space.sample())
assert observation.shape == (50,)
if {os.environ.get("MUJOCO_GL") == "egl"}:
    assert env.render().std() > 0
assert "go1" not in sys.modules
"""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(x for x in sys.path if x != str(GO1)),
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
