"""A single environment's own code gives what the batched torch code gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from grids import SHIPPED
from marks import needs_compiler

from learned_envs import Simulation, registry
from learned_envs.checkpoint import open_checkpoint, save_checkpoint
from learned_envs.dynamics import Ensemble
from learned_envs.envs.infos import regrouped
from learned_envs.envs.stepper import SingleStepper
from learned_envs.envs.vector import LearnedVectorEnv

MODES: dict[str, dict[str, Any]] = {
    "default": {},
    "one member": {"max_disagreement": None},
    "mean": {"ensemble": "mean", "max_disagreement": None},
    "penalty": {"disagreement_penalty": 1.0},
}


def stepper_of(env: gym.Env[Any, Any]) -> SingleStepper:
    stepper: SingleStepper = env.unwrapped._running()  # type: ignore[attr-defined]
    return stepper


def check(task: str, mode: str, compiled: bool) -> None:
    """Step an environment by code of its own, and beside it in torch."""
    env = gym.make(registry.env_id(task), compile=compiled, **MODES[mode]).unwrapped
    plain = gym.make(registry.env_id(task), compile=False, **MODES[mode]).unwrapped
    sensed = open_checkpoint(task).task.sensed
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(50):
        stepper = stepper_of(env)
        assert stepper.code is not None and ("#include" in stepper.code) == compiled
        action = (1.3 * env.action_space.sample()).astype(np.float32)
        outcome = plain._core.advance(stepper.state, torch.from_numpy(action)[None])
        observation, reward, terminated, truncated, info = env.step(action)
        expected = outcome.observation[0].numpy()
        # Rounding of float32 in two orders of summation: 2e-5 of the largest numbers measured, and
        # 3e-5 where readings are a hyperbolic sine of what is predicted.
        share = np.full(len(expected), 2e-5)
        share[list(sensed)] = 6e-5
        away = np.abs(observation - expected) / (1 + np.abs(expected).max())
        assert (away <= share).all(), (away / share).max()
        assert reward == pytest.approx(outcome.reward.item(), rel=1e-3, abs=1e-4)
        assert (terminated, truncated) == (outcome.terminated.item(), outcome.truncated.item())
        told = regrouped({name: value[0].numpy() for name, value in outcome.info.items()})
        for name, value in told.items():
            # Members that only say how far they are compute in bfloat16 natively: 9e-4 measured.
            slack = 3e-3 if name == "disagreement" and compiled else 1e-4
            np.testing.assert_allclose(info[name], value, rtol=1e-3, atol=slack, err_msg=name)
            assert np.ndim(value) or type(info[name]) is type(value.item())
        if terminated or truncated:
            env.reset()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("task", SHIPPED)
def test_a_step_in_numpy_is_the_step_in_torch(task: str, mode: str) -> None:
    check(task, mode, compiled=False)


@needs_compiler
@pytest.mark.parametrize("mode", ["default", "one member"])
@pytest.mark.parametrize("task", SHIPPED)
def test_a_compiled_step_is_the_step_in_torch(task: str, mode: str) -> None:
    check(task, mode, compiled=True)


@pytest.mark.parametrize("name", registry.FAMILIES)
def test_every_family_steps_alone_as_in_a_batch(
    name: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    spec = Simulation.load(checkpoint("Hopper")).dynamics.spec
    model = Ensemble(registry.family_class(name)(hidden=(16, 16)), spec, 2)
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, model, {"task": "Hopper"})
    env = gym.make("LearnedSim-Hopper-v0", checkpoint=path)
    envs = LearnedVectorEnv("Hopper", 1, checkpoint=path)
    env.reset(seed=0), envs.reset(seed=0)
    action = np.ones((1, 3), dtype=np.float32)
    ours, theirs = env.step(action[0])[0], envs.step(action)[0][0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_what_has_no_numpy_code_steps_in_torch(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    simulation = Simulation.load(checkpoint("Hopper"))
    family = registry.family_class("second_order")(integrator="dopri5")
    model = Ensemble(family, simulation.task.spec, 2)
    save_checkpoint(tmp_path / "model.safetensors", model, {"task": "Hopper"})
    env = gym.make("LearnedSim-Hopper-v0", checkpoint=tmp_path / "model.safetensors")
    envs = LearnedVectorEnv("Hopper", 1, checkpoint=tmp_path / "model.safetensors")
    env.reset(seed=0), envs.reset(seed=0)
    assert stepper_of(env).code is None
    action = np.ones((1, 3), dtype=np.float32)
    np.testing.assert_allclose(env.step(action[0])[0], envs.step(action)[0][0])
