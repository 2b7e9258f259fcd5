"""Every environment whose weights are shipped keeps Gymnasium's and SB3's contracts."""

import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from grids import SHIPPED
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from marks import needs_compiler
from stable_baselines3.common import env_checker

from learned_envs import Simulation, registry
from learned_envs.errors import WeightsNotShippedError

every_task = pytest.mark.parametrize("task", SHIPPED)


def test_an_id_whose_weights_are_not_shipped_says_how_to_fit_them() -> None:
    for task in set(registry.TASKS) - set(SHIPPED):
        for make in (gym.make, gym.make_vec):
            with pytest.raises(WeightsNotShippedError, match=f"learned-envs fit {task}"):
                make(registry.env_id(task))


def warned(check: Callable[..., None], env_id: str, **kwargs: Any) -> list[str]:
    env = gym.make(env_id)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check(env.unwrapped, **kwargs)
    return [str(warning.message) for warning in caught]


@every_task
@pytest.mark.parametrize(
    "check", [check_env, env_checker.check_env], ids=["gymnasium", "stable_baselines3"]
)
def test_checkers_raise_nothing_and_warn_as_for_the_reference(
    task: str, check: Callable[..., None]
) -> None:
    ours = warned(check, registry.env_id(task), skip_render_check=True)
    assert ours == warned(check, registry.reference_id(task), skip_render_check=True)


@every_task
def test_spaces_and_infos_are_the_references(task: str) -> None:
    env, reference = gym.make(registry.env_id(task)), gym.make(registry.reference_id(task))
    for name in ("action_space", "observation_space"):
        ours, theirs = getattr(env, name), getattr(reference, name)
        assert ours == theirs
        assert ours.dtype == theirs.dtype
    assert set(env.reset(seed=0)[1]) == set(reference.reset(seed=0)[1])
    action = reference.action_space.sample()
    added = {"diverged", "out_of_support", "disagreement"}
    assert set(env.step(action)[4]) - added == set(reference.step(action)[4]) - added
    assert env.spec.max_episode_steps == reference.spec.max_episode_steps


@every_task
@pytest.mark.parametrize("tensors", [False, True])
def test_one_of_a_vector_is_the_single_environment(task: str, tensors: bool) -> None:
    # Ant has the longest steps, in which it is hit the hardest: roundings grow fastest.
    env_id, length = registry.env_id(task), 8 if task == "Ant" else 30
    envs = gym.make_vec(env_id, num_envs=1, tensors=tensors, max_episode_steps=length)
    twin = SyncVectorEnv([lambda: gym.make(env_id, max_episode_steps=length)])
    np.testing.assert_allclose(envs.reset(seed=1)[0], twin.reset(seed=1)[0], atol=1e-6)
    twin.action_space.seed(1)
    for _ in range(100):
        action = twin.action_space.sample()
        ours, theirs = envs.step(action), twin.step(action)
        for one, other in zip(ours[:4], theirs[:4], strict=True):
            # Torch and numpy round apart by 1e-5 a step at most, and it grows: 30 steps of a walker
            # were seen to make 4e-4 of it, and 2e-3 of a contact force of Ant.
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


@every_task
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_random_actions_give_finite_numbers(task: str, mode: AutoresetMode) -> None:
    envs = gym.make_vec(
        registry.env_id(task), num_envs=64, autoreset_mode=mode, max_episode_steps=100
    )
    envs.reset(seed=0)
    envs.action_space.seed(0)
    ended_ever = np.zeros(64, dtype=bool)
    for _ in range(150):
        observation, reward, terminated, truncated, _ = envs.step(envs.action_space.sample())
        assert observation in envs.observation_space
        assert np.isfinite(observation).all()
        assert np.isfinite(reward).all()
        ended = terminated | truncated
        ended_ever |= ended
        if mode is AutoresetMode.DISABLED and ended.any():
            envs.reset(options={"reset_mask": ended})
    # The time limit is reached within the 150 steps.
    assert ended_ever.all()


@needs_compiler
@pytest.mark.filterwarnings("error:No native code")
@every_task
def test_compiled_bfloat16_stays_near_float32(task: str) -> None:
    reduced, plain = (
        gym.make_vec(registry.env_id(task), num_envs=70, **options)
        for options in ({"compile": True, "precision": "bfloat16"}, {})
    )
    unit = Simulation.load(task).dynamics.change_spread
    reduced.action_space.seed(0)
    reduced.reset(seed=0)
    off = []
    for step in range(30):
        action = reduced.action_space.sample()
        state = reduced.unwrapped.state
        # The same members, and no episode that has ended.
        for envs in (reduced, plain):
            envs.reset(seed=step)
            envs.unwrapped.set_state(state.q, state.v)
        observation, reward, *_ = reduced.step(action)
        assert np.isfinite(observation).all()
        assert np.isfinite(reward).all()
        plain.step(action)
        off.append((reduced.unwrapped.state.v - plain.unwrapped.state.v) / unit)
    # In units of the spread of a step's change over the data. Measured over all tasks: 0.001 to
    # 0.004 in the root mean square and 0.08 at most if weights alone are rounded, and 0.009 and 0.2
    # if what they multiply is too, as processors with tile registers (AMX) do.
    squares = torch.stack(off).square()
    assert 0.0005**2 < squares.mean() < 0.02**2
    assert squares.max() < 0.5**2
