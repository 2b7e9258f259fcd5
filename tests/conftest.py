"""What several test folders share."""

import os

# Small models step faster in one thread, the more so beside the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from learned_envs.checkpoint import save_checkpoint
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.fit import Dataset, collect
from learned_envs.state import State
from learned_envs.systems.reference import spec_of
from learned_envs.systems.spec import SystemSpec


@pytest.fixture(scope="session")
def spec() -> Callable[[str], SystemSpec]:
    """`spec(task)`: the system that a task's reference environment simulates."""
    return cache(spec_of)


@pytest.fixture(scope="session")
def weights(spec: Callable[[str], SystemSpec], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained Hopper that knows the range of its data, so that it stays near its starts."""
    torch.manual_seed(0)
    hopper = spec("Hopper")
    model = Ensemble(SecondOrder(hidden=(16,)), hopper, members=3)
    q = torch.tensor(hopper.q0) + 0.2 * torch.randn(500, hopper.nq)
    v = torch.randn(500, hopper.nv)
    moved = State(q + hopper.dt * v, v + 0.1 * torch.randn(500, hopper.nv))
    model.normalise(State(q, v), torch.rand(500, hopper.nu) * 2 - 1, moved)
    path = tmp_path_factory.mktemp("weights") / "Hopper.safetensors"
    save_checkpoint(path, model, {"task": "Hopper"})
    return path


@pytest.fixture(scope="session")
def pendulum_data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """4000 steps of a random actor."""
    return collect("InvertedPendulum", 4000, tmp_path_factory.mktemp("data") / "d", workers=1)


@pytest.fixture(scope="session")
def double_pendulum_data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """6000 steps of a random actor, who drives the cart against the rail's ends."""
    return collect("InvertedDoublePendulum", 6000, tmp_path_factory.mktemp("data") / "d", workers=1)
