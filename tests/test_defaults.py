"""What a process does to torch, and in how many threads it runs, matters to no environment."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from marks import needs_compiler

from learned_envs import Simulation
from learned_envs.envs import FunctionalEnv

MODES: dict[str, dict[str, Any]] = {
    "torch and numpy": {"compile": False},
    "one member, in numpy": {"compile": False, "max_disagreement": None},
    "native": {"compile": True},
}


@contextmanager
def set_and_reset(now: Any, setter: Callable[[Any], None], before: Any) -> Iterator[None]:
    setter(now)
    try:
        yield
    finally:
        setter(before)


PROCESSES: dict[str, Callable[[], Any]] = {
    "float64": lambda: set_and_reset(torch.float64, torch.set_default_dtype, torch.float32),
    "bfloat16": lambda: set_and_reset(torch.bfloat16, torch.set_default_dtype, torch.float32),
    "another device": lambda: set_and_reset("meta", torch.set_default_device, None),
    "another device inside": lambda: torch.device("meta"),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "deterministic": lambda: set_and_reset(True, torch.use_deterministic_algorithms, False),
    "no denormal numbers": lambda: set_and_reset(True, torch.set_flush_denormal, False),
    "two threads": lambda: set_and_reset(2, torch.set_num_threads, torch.get_num_threads()),
}


def episodes(path: Path, **options: Any) -> list[Any]:
    """Make environments of each kind, and return all that a few steps of them give."""
    env = gym.make("LearnedSim-Hopper-v0", checkpoint=path, **options)
    envs = gym.make_vec("LearnedSim-Hopper-v0", num_envs=70, checkpoint=path, **options)
    pure = FunctionalEnv("Hopper", 3, checkpoint=path, **options)
    seen: list[Any] = [env.observation_space.shape]
    env.reset(seed=0), envs.reset(seed=0)
    state = pure.init(0)
    for step in range(3):
        action = np.full((70, 3), 0.1 * step)
        seen.extend(env.step(action[0])[:4])
        seen.extend(envs.step(action)[:4])
        state = pure.step(state, action[:3])
        seen.append((state.observation.numpy(), state.reward.numpy()))
    return seen


def check_equal(ours: Any, theirs: Any) -> None:
    np.testing.assert_equal(ours, theirs)


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("mode", [*list(MODES)[:2], pytest.param("native", marks=needs_compiler)])
def test_defaults_of_the_process_do_not_matter(
    mode: str, process: str, checkpoint: Callable[[str], Path]
) -> None:
    path = checkpoint("Hopper")
    expected = episodes(path, **MODES[mode])
    with PROCESSES[process]():
        ours = episodes(path, **MODES[mode])
    check_equal(ours, expected)


@pytest.mark.parametrize("mode", [*list(MODES)[:2], pytest.param("native", marks=needs_compiler)])
def test_threads_with_an_environment_each_do_not_disturb_one_another(
    mode: str, checkpoint: Callable[[str], Path]
) -> None:
    path = checkpoint("Hopper")
    expected = episodes(path, **MODES[mode])
    with ThreadPoolExecutor(4) as pool:
        for ours in pool.map(lambda _: episodes(path, **MODES[mode]), range(8)):
            check_equal(ours, expected)


def test_making_and_stepping_an_environment_draws_no_numbers_of_the_process(
    checkpoint: Callable[[str], Path],
) -> None:
    before = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    episodes(checkpoint("Hopper"), compile=False)
    after = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    np.testing.assert_equal(before[1], after[1])


@pytest.mark.parametrize("process", [nullcontext, *PROCESSES.values()], ids=["", *PROCESSES])
def test_weights_are_those_of_the_file(
    process: Callable[[], Any], checkpoint: Callable[[str], Path]
) -> None:
    path = checkpoint("Hopper")
    with process():
        loaded = Simulation.load(path).dynamics
    expected = Simulation.load(path).dynamics
    for (name, ours), theirs in zip(
        loaded.state_dict().items(), expected.state_dict().values(), strict=True
    ):
        assert ours.dtype is theirs.dtype and torch.equal(ours, theirs), name
        assert not ours.is_inference() and ours.device.type == "cpu"
