"""One command makes a learned environment of a user's own, and nothing else is needed then."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import learned_envs
from learned_envs.card import read_card
from learned_envs.cli import main
from learned_envs.errors import CheckpointError, ParameterError

ADDED = {"diverged", "out_of_support", "disagreement"}
"""What a learned environment's info has beside the reference's."""


@pytest.fixture
def make(run: Path) -> Callable[..., Any]:
    return lambda **options: gym.make("LearnedSim-v0", checkpoint=run, **options)


def shapes(info: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: np.shape(value) for name, value in info.items()}


def test_the_card_says_what_it_is_of(run: Path, leg: str) -> None:
    card = read_card(run)
    assert card.task == leg
    assert card.reference is not None
    assert card.rules is not None
    assert (card.reference.id, card.reference.episode_steps) == (leg, 60)
    assert card.reference.reward_threshold == 30.0
    assert {leaf.name: leaf.frozen for leaf in card.spec.leaves} == {
        "env.goal": True,
        "env.last_action": False,
    }
    assert [sensor.name for sensor in card.sensors] == ["touch.floor.foot"]
    assert card.rules.checked is not None
    assert card.rules.checked.ends > 0
    # Observations are float32.
    assert card.rules.checked.exact(1e-6)
    assert card.starts == 4096


def test_what_the_command_line_says_of_it(
    run: Path, leg: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(run)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"modelled on {leg}" in told
    assert "rules exact but for info.reward_raw, reward, which are learned" in told
    assert main(["evaluate", str(run), "--trajectories", "20", "--device", "cpu"]) == 0
    assert "hold" in capsys.readouterr().out


def test_it_is_the_real_environment_to_look_at(make: Callable[..., Any], leg: str) -> None:
    env, real = make(), gym.make(leg)
    assert env.observation_space == real.observation_space
    assert env.action_space == real.action_space
    seen, info = env.reset(seed=0)
    expected, real_info = real.reset(seed=0)
    assert (seen.dtype, seen.shape) == (expected.dtype, expected.shape)
    assert shapes(info) == shapes(real_info)
    action = np.full(2, 0.1, np.float32)
    ours, theirs = env.step(action), real.step(action)
    assert ours[0].dtype == theirs[0].dtype
    assert shapes(ours[4]).items() >= shapes(theirs[4]).items()
    assert ours[4].keys() - theirs[4].keys() == ADDED
    for flag in ours[2:4]:
        assert isinstance(flag, bool)


def length(env: Any) -> int:
    """Steps until an episode is truncated; 200 if it is not."""
    env.reset(seed=0)
    many = isinstance(env, gym.vector.VectorEnv)
    action, home = np.zeros((1, 2) if many else 2, np.float32), np.zeros((1, 3) if many else 3)
    for step in range(1, 200):
        # So short a fit goes astray.
        env.unwrapped.set_state(home, home)
        *_, terminated, truncated, info = env.step(action)
        assert not (terminated or info["diverged"])
        if truncated:
            return step
    return 200


def test_episodes_are_as_long_as_the_real_ones(run: Path) -> None:
    free = {"max_disagreement": None, "lowest": -np.inf}
    make = partial(gym.make, "LearnedSim-v0", checkpoint=run, **free)
    assert length(make()) == 60
    assert length(make(rules="hosted")) == 60
    assert length(make(max_episode_steps=20)) == 20
    learned_envs.register("LearnedSim-LongLeg-v0", checkpoint=run, **free)
    for limit, expected in ((None, 60), (20, 20), (100, 100), (-1, 200)):
        own = {"id": "LearnedSim-LongLeg-v0", "max_episode_steps": limit}
        assert length(gym.make(**own)) == expected
        assert length(gym.make_vec(num_envs=1, **own)) == expected


def test_gymnasiums_checker_finds_nothing(make: Callable[..., Any]) -> None:
    check_env(make().unwrapped, skip_render_check=True)


def test_it_remembers_and_draws_as_the_real_one(make: Callable[..., Any]) -> None:
    env = make(max_disagreement=None)
    goals = set()
    for seed in range(3):
        seen, info = env.reset(seed=seed)
        goal = seen[8]
        goals.add(float(goal))
        # float32 rounding of numbers of up to 2
        assert info["distance"] == pytest.approx(abs(seen[0]), abs=1e-6)
        np.testing.assert_array_equal(seen[6:8], 0)
        last = np.zeros(2)
        distance = info["distance"]
        for _ in range(5):
            action = env.action_space.sample()
            seen, reward, terminated, truncated, info = env.step(action)
            np.testing.assert_array_equal(seen[6:8], action)
            assert seen[8] == goal
            jerk = 0.1 * np.square(action - last).sum()
            moved = (distance - info["distance"]) / 0.02
            touched = reward + jerk - moved
            # The contact is predicted as a number; 1e-4 is float32 rounding by the step's time.
            assert min(abs(touched), abs(touched - 0.5)) < 1e-3
            assert info["reward_raw"] == pytest.approx(reward, abs=1e-6)
            last, distance = action, info["distance"]
            if terminated or truncated:
                assert terminated == (0.5 + seen[1] < 0.33) or info["diverged"]
                break
    assert len(goals) == 3


@pytest.mark.parametrize("mode", [*AutoresetMode])
@pytest.mark.parametrize("compile", [False, "auto"])
def test_many_of_them(run: Path, mode: AutoresetMode, compile: Any) -> None:
    options: dict[str, Any] = {"compile": compile, "autoreset_mode": mode}
    envs = gym.make_vec("LearnedSim-v0", num_envs=64, checkpoint=run, **options)
    real = gym.make_vec("Leg-v0", num_envs=64, vectorization_mode="sync")
    assert envs.single_observation_space == real.single_observation_space
    seen, info = envs.reset(seed=0)
    _, real_info = real.reset(seed=0)
    assert seen.dtype == np.float32
    assert shapes(info) == shapes(real_info)
    envs.action_space.seed(0)
    ended = np.zeros(64, bool)
    some = 0
    for _ in range(70):
        if mode is AutoresetMode.DISABLED and ended.any():
            goal = seen[:, 8].copy()
            seen, info = envs.reset(options={"reset_mask": ended})
            assert (goal[~ended] == seen[~ended, 8]).all()
            assert (goal[ended] != seen[ended, 8]).all()
        action = envs.action_space.sample()
        goal = seen[:, 8].copy()
        began = ended if mode is AutoresetMode.NEXT_STEP else np.zeros(64, bool)
        seen, reward, terminated, truncated, info = envs.step(action)
        ended = terminated | truncated
        if mode is AutoresetMode.SAME_STEP:
            began = ended
        some += int(ended.sum())
        np.testing.assert_array_equal(seen[~began, 6:8], action[~began])
        np.testing.assert_array_equal(seen[began, 6:8], 0)
        assert (seen[~began, 8] == goal[~began]).all()
        assert np.isfinite(reward).all()
        assert info["foot"].shape == (64, 3)
        assert info["distance"].shape == (64,)
    # Nobody is longer than the real environment's episodes.
    assert some >= 64


def test_it_gets_an_id_of_its_own(run: Path) -> None:
    learned_envs.register("LearnedSim-MyLeg-v0", checkpoint=run, max_disagreement=None)
    env = gym.make("LearnedSim-MyLeg-v0")
    assert env.spec is not None
    assert (env.spec.max_episode_steps, env.spec.reward_threshold) == (60, 30.0)
    assert gym.make_vec("LearnedSim-MyLeg-v0", num_envs=3).reset(seed=0)[0].shape == (3, 9)
    env.reset(seed=0)
    for _ in range(60):
        *_, terminated, truncated, _ = env.step(np.zeros(2, np.float32))
        if terminated or truncated:
            break
    assert terminated or truncated
    # The same again is the same; another is refused.
    learned_envs.register("LearnedSim-MyLeg-v0", checkpoint=run, max_disagreement=None)
    with pytest.raises(ParameterError, match="Choose another"):
        learned_envs.register("LearnedSim-MyLeg-v0", checkpoint=run)
    with pytest.raises(ParameterError, match="my leg"):
        learned_envs.register("my leg", checkpoint=run)
    with pytest.raises(CheckpointError):
        learned_envs.register("LearnedSim-Missing-v0", checkpoint=run.parent / "missing")


def test_its_module_is_not_needed(run: Path, tmp_path: Path, leg: str) -> None:
    program = f"""
import gymnasium as gym, learned_envs, numpy as np, sys
env = gym.make("LearnedSim-v0", checkpoint={str(run)!r})
env.reset(seed=0)
seen = env.step(np.ones(2, np.float32))[0]
envs = gym.make_vec("LearnedSim-v0", num_envs=2, checkpoint={str(run)!r})
envs.reset(seed=0)
envs.step(np.ones((2, 2), np.float32))
learned_envs.register("LearnedSim-Mine-v0", checkpoint={str(run)!r})
gym.make("LearnedSim-Mine-v0").reset(seed=0)
assert "my_leg" not in sys.modules
try:
    env = gym.make("LearnedSim-v0", checkpoint={str(run)!r}, rules="hosted")
except learned_envs.errors.ParameterError as error:
    assert "my_leg" in str(error)
else:
    raise AssertionError
print(seen.tolist())
"""
    users = next(path for path in sys.path if (Path(path) / "my_leg.py").is_file())
    paths = os.pathsep.join(path for path in sys.path if path != users)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    env = gym.make("LearnedSim-v0", checkpoint=run)
    env.reset(seed=0)
    expected = env.step(np.ones(2, np.float32))[0]
    np.testing.assert_array_equal(np.float32(json.loads(done.stdout)), expected)
