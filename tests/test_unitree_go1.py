"""The environment of examples/unitree_go1 is a sound one."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

FOLDER = Path(__file__).parents[1] / "examples" / "unitree_go1"


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Iterator[gym.Env[Any, Any]]:
    monkeypatch.syspath_prepend(FOLDER)
    with closing(gym.make("go1:Go1Velocity-v0")) as made:
        yield made


@pytest.mark.filterwarnings("ignore:.*A Box observation space")
def test_gymnasium_finds_nothing_wrong(env: gym.Env[Any, Any]) -> None:
    check_env(env.unwrapped, skip_render_check=True)


def test_it_trots_on_the_spot_if_told_nothing(env: gym.Env[Any, Any]) -> None:
    env.reset(seed=0)
    steps = [env.step(np.zeros(12, np.float32)) for _ in range(200)]
    assert not any(terminated for _, _, terminated, _, _ in steps)
    # Its weight bends the legs: the trunk sinks from 0.278 m, and 0.231 m was
    # measured in the mean.
    assert 0.22 < np.mean([info["height"] for *_, info in steps[50:]]) < 0.28


def test_random_targets_make_it_fall(env: gym.Env[Any, Any]) -> None:
    env.action_space.seed(0)
    env.reset(seed=0)
    # 129 steps in the mean of ten episodes.
    assert any(env.step(env.action_space.sample())[2] for _ in range(499))


def test_a_command_is_drawn_at_reset_and_kept(env: gym.Env[Any, Any]) -> None:
    first, _ = env.reset(seed=0)
    seen, *_ = env.step(env.action_space.sample())
    second, _ = env.reset()
    np.testing.assert_array_equal(seen[-3:], first[-3:])
    assert not np.isclose(second[-3:], first[-3:]).any()


def test_the_model_needs_nothing_of_the_environments_code() -> None:
    with closing(gym.make("LearnedSim-v0", checkpoint=str(FOLDER / "go1.safetensors"))) as env:
        first, _ = env.reset(seed=0)
        steps = [env.step(np.zeros(12, np.float32)) for _ in range(50)]
    assert not any(terminated for _, _, terminated, _, _ in steps)
    np.testing.assert_array_equal(steps[-1][0][-3:], first[-3:])
