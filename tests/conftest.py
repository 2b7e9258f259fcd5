"""What several test folders share."""

import os

# Small models step faster in one thread, the more so beside the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import importlib
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from learned_envs import registry
from learned_envs.checkpoint import save_checkpoint
from learned_envs.dynamics import Ensemble
from learned_envs.fit import Dataset, collect
from learned_envs.state import State
from learned_envs.systems.reference import make_reference, spec_of
from learned_envs.systems.spec import SystemSpec

# How fast examples are drawn says how busy the machine is.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """`benchmark(name)`: the module of a script, imported as the scripts import each other."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


@pytest.fixture(scope="session")
def spec() -> Callable[[str], SystemSpec]:
    """`spec(task)`: the system that a task's reference environment simulates."""
    return cache(spec_of)


@pytest.fixture(scope="session")
def checkpoint(
    spec: Callable[[str], SystemSpec], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """`checkpoint(task, family)`: weights of an untrained model that leaves its data soon.

    What is shipped may change: no test but those of the shipped weights depends on it.
    """
    folder = tmp_path_factory.mktemp("checkpoints")

    def make(task: str, family: str = registry.DEFAULT_FAMILY) -> Path:
        path = folder / family / f"{task}.safetensors"
        if not path.exists():
            card = {"task": task, "disagreement_threshold": 50.0}
            save_untrained(path, spec(task), real_steps(task, 1000), card, family)
        return path

    return make


@pytest.fixture(scope="session")
def lone_checkpoint(
    spec: Callable[[str], SystemSpec], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Weights of an untrained Hopper of one member, with a threshold that means nothing."""
    path = tmp_path_factory.mktemp("lone") / "Hopper.safetensors"
    card = {"task": "Hopper", "disagreement_threshold": 0.0}
    save_untrained(path, spec("Hopper"), real_steps("Hopper", 300), card, members=1)
    return path


@pytest.fixture(scope="session")
def weights(spec: Callable[[str], SystemSpec], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of an untrained Hopper that stays near its starts, and is never cut."""
    torch.manual_seed(0)
    hopper = spec("Hopper")
    q = torch.tensor(hopper.q0) + 0.2 * torch.randn(500, hopper.nq)
    v, action = torch.randn(500, hopper.nv), torch.rand(500, hopper.nu) * 2 - 1
    moved = State(q + hopper.dt * v, v + 0.1 * torch.randn(500, hopper.nv))
    path = tmp_path_factory.mktemp("weights") / "Hopper.safetensors"
    save_untrained(path, hopper, (State(q, v), action, moved), {"task": "Hopper"})
    return path


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`fails(*words)`: run a command that must fail with one line, and return that line."""
    from learned_envs.cli import main

    def fails(*words: object, code: int = 1) -> str:
        capsys.readouterr()
        assert main([str(word) for word in words]) == code
        *bars, error = capsys.readouterr().err.strip().splitlines()
        assert error.startswith("learned-envs: ")
        assert all(line.startswith("recording") for line in bars)
        return error

    return fails


def save_untrained(
    path: Path,
    spec: SystemSpec,
    data: tuple[State, torch.Tensor, State],
    card: dict[str, Any],
    family: str = registry.DEFAULT_FAMILY,
    members: int = 3,
) -> None:
    """Save a small ensemble that knows the range of transitions and no more."""
    torch.manual_seed(0)
    sensors = registry.task_class(card["task"]).create(spec, {}).sensors
    model = Ensemble(registry.family_class(family)(hidden=(16, 16)), spec, members, sensors)
    model.normalise(*data)
    save_checkpoint(path, model, card)


def real_steps(task: str, steps: int) -> tuple[State, torch.Tensor, State]:
    """Step the reference under random actions, from everywhere near its starts."""
    rows: list[list[np.ndarray]] = [[], [], [], [], []]
    with closing(make_reference(task)) as made:
        env = made.unwrapped
        made.reset(seed=0)
        made.action_space.seed(0)
        for step in range(steps):
            if step % 10 == 0:
                made.reset()
                noise = env.np_random.uniform(-0.1, 0.1, env.model.nq)
                env.set_state(env.init_qpos + noise, env.np_random.uniform(-1, 1, env.model.nv))
            before = env.data.qpos.copy(), env.data.qvel.copy()
            action = made.action_space.sample()
            env.step(action)
            for row, value in zip(
                rows, (*before, action, env.data.qpos.copy(), env.data.qvel.copy()), strict=True
            ):
                row.append(value)
    q, v, u, next_q, next_v = (torch.tensor(np.stack(row), dtype=torch.float32) for row in rows)
    return State(q, v), u, State(next_q, next_v)


@pytest.fixture(scope="session")
def pendulum_data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """4000 steps of a random actor."""
    return collect("InvertedPendulum", 4000, tmp_path_factory.mktemp("data") / "d", workers=1)


@pytest.fixture(scope="session")
def double_pendulum_data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """6000 steps of a random actor, who drives the cart against the rail's ends."""
    return collect("InvertedDoublePendulum", 6000, tmp_path_factory.mktemp("data") / "d", workers=1)
