"""Odd arguments of environments, simulations, planners, settings and of the functions of a fit."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from fuzz_damage import ODD, nested
from fuzz_datasets import Data, recorded
from fuzz_work import REFUSED, WORKS, Kind, Verdict, judged

from learned_envs import Simulation, State
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.envs import FunctionalEnv
from learned_envs.evaluation.evaluation import evaluate
from learned_envs.fit import FitConfig, TrainingConfig, collect
from learned_envs.fit.config import RoundsConfig
from learned_envs.fit.run import fit
from learned_envs.planning import CEM, MPPI, Planner, imagined_returns
from learned_envs.sb3 import make_vec_env

TASK = "InvertedPendulum"
ENV_ID = f"LearnedSim-{TASK}-v0"

OBJECTS: tuple[Callable[[], Any], ...] = (
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: -float("inf"),
    lambda: np.float32(1.5),
    lambda: np.int64(-3),
    lambda: np.array([1.0, np.nan]),
    lambda: np.zeros((0, 3)),
    lambda: np.array(["a"]),
    lambda: np.array([1 + 1j]),
    lambda: np.full((2, 1), 1e300),
    lambda: torch.tensor(2.0),
    lambda: torch.zeros(3, 2, dtype=torch.int8),
    lambda: torch.full((2, 1), torch.nan),
    lambda: torch.zeros(2, 1, dtype=torch.float64),
    lambda: torch.zeros(2, 2, device="meta"),
    lambda: torch.zeros(2, 1, dtype=torch.complex64),
    lambda: State(torch.zeros(2, 1), torch.zeros(1, 2)),
    lambda: State(torch.zeros(2, 2), torch.zeros(2, 2)),
    lambda: State(torch.zeros(2, 2), torch.full((2, 2), torch.nan)),
    lambda: object(),
    lambda: object,
    lambda: b"bytes",
    lambda: 1j,
    lambda: {1, 2},
    lambda: len,
    lambda: Path("nowhere"),
    lambda: range(3),
    lambda: nested(60),
)
"""What else may be passed in Python."""

SIZES = {
    *("num_envs", "n_envs", "batch", "horizon", "candidates", "iterations", "steps", "workers"),
    *("updates", "trajectories", "members", "batch_size", "count", "learners", "agent_steps"),
    *("steps_per_round", "updates_per_round", "horizons", "hidden", "substeps", "elites"),
}
"""Numbers that may be large, and then only take long."""

OPTIONS = (
    *("checkpoint", "device", "compile", "ensemble", "max_disagreement", "disagreement_penalty"),
    *("disagreement_in_info", "render_mode", "reset_noise_scale", "no_such_option"),
)
VECTOR = (
    *("num_envs", "precision", "autoreset_mode", "tensors", "starts", "start_fraction"),
    *("max_episode_steps", *OPTIONS),
)


def odd(random: Random, name: str) -> Any:
    """Draw what an argument may be by mistake."""
    while True:
        value = random.choice(ODD) if random.random() < 0.6 else random.choice(OBJECTS)()
        large = isinstance(value, (int, float)) and not isinstance(value, bool) and value > 300
        if not (large and name in SIZES) and not (name in SIZES and isinstance(value, list)):
            return value


@dataclass(frozen=True)
class Call:
    """Something to call, what it is given, and which of that may be odd."""

    act: Callable[..., object]
    given: Mapping[str, Any]
    names: tuple[str, ...]


def prepare(folder: Path) -> dict[str, Call]:
    """List what is called; the data and the model of all are made once."""
    whole = recorded(folder)
    sim = Simulation.load(TASK)
    state = sim.reset(2)
    action = torch.zeros(2, 1)
    places = {"q": np.zeros((2, 2)), "v": np.zeros((2, 2))}
    acting = {"seed": 0, "options": None, "action": np.zeros(1)}
    several = {"seed": 0, "options": None, "action": np.zeros((2, 1)), "mask": None}
    training = {"updates": 2, "batch_size": 2, "members": 2, "horizons": (1,), "check_every": 1}
    return {
        "gym.make": Call(single, {}, OPTIONS),
        "gym.make_vec": Call(vector, {"num_envs": 2}, VECTOR),
        "FunctionalEnv": Call(functional, {"num_envs": 2, "seed": 0}, ("seed", *VECTOR)),
        "make_vec_env": Call(
            stable,
            {"n_envs": 2, "seed": 0},
            ("n_envs", "seed", "env_kwargs", "env_id", "monitor_dir", "wrapper_class"),
        ),
        "LearnedEnv in use": Call(single_used, {**acting, "q": np.zeros(2), "v": np.zeros(2)}, ()),
        "LearnedVectorEnv in use": Call(vector_used, {**several, **places}, ()),
        "Simulation.load": Call(
            lambda checkpoint, **k: Simulation.load(checkpoint, **k),
            {"checkpoint": TASK},
            ("checkpoint", "device", "reset_noise_scale", "no_such_option"),
        ),
        "Simulation.reset": Call(
            lambda **k: sim.reset(**k), {"batch": 2}, ("batch", "generator", "mean")
        ),
        "Simulation.step": Call(
            lambda **k: sim.step(**k),
            {"state": state, "action": action},
            ("state", "action", "disagreement"),
        ),
        "Simulation.rollout": Call(
            lambda **k: sim.rollout(**k),
            {"state": state, "actions": torch.zeros(2, 3, 1)},
            ("state", "actions", "horizon"),
        ),
        "CEM": Call(lambda **k: plan(sim, CEM, **k), {"horizon": 2, "candidates": 12}, names(CEM)),
        "MPPI": Call(
            lambda **k: plan(sim, MPPI, **k), {"horizon": 2, "candidates": 4}, names(MPPI)
        ),
        "TrainingConfig": Call(
            lambda **k: FitConfig(training=TrainingConfig(**k)), {}, names(TrainingConfig)
        ),
        "RoundsConfig": Call(
            lambda **k: FitConfig(rounds=RoundsConfig(**k)), {}, names(RoundsConfig)
        ),
        "FitConfig": Call(lambda **k: FitConfig(**k), {}, names(FitConfig)),
        "fit": Call(
            lambda **k: fit_to(folder, whole, **k),
            {"task": TASK, "hidden": (4, 4), **training},
            ("task", "device", "resume", *names(SecondOrder), *names(TrainingConfig)),
        ),
        "evaluate": Call(
            lambda **k: evaluate(sim, **k),
            {"data": whole.recording, "horizons": (1,), "trajectories": 2},
            ("data", "horizons", "trajectories", "seed"),
        ),
        "collect": Call(
            lambda **k: collect(**k),
            {"task": TASK, "steps": 12, "destination": None, "workers": 1},
            ("task", "steps", "destination", "policies", "drivers", "random", "seed", "workers"),
        ),
    }


def names(cls: type) -> tuple[str, ...]:
    """Return the fields of a dataclass."""
    return tuple(own.name for own in fields(cls))


def single(**options: Any) -> None:
    """Make one environment, begin an episode and take a step."""
    env = gym.make(ENV_ID, **options).unwrapped
    env.reset(seed=0)
    env.step(np.zeros(1, dtype=np.float32))


def vector(num_envs: Any, **options: Any) -> None:
    """Make a vector environment, begin episodes and take a step."""
    envs = gym.make_vec(ENV_ID, num_envs=num_envs, **options)
    envs.reset(seed=0)
    envs.step(np.zeros((envs.num_envs, 1), dtype=np.float32))


def functional(num_envs: Any, seed: Any, **options: Any) -> None:
    """Make a functional environment and take a step."""
    env = FunctionalEnv(TASK, num_envs, **options)
    env.step(env.init(seed), torch.zeros(env.num_envs, 1))


def stable(env_id: Any = TASK, **options: Any) -> None:
    """Make SB3's environment and take a step."""
    envs = make_vec_env(env_id, **options)
    envs.reset()
    envs.step(np.zeros((envs.num_envs, 1), dtype=np.float32))


def single_used(seed: Any, options: Any, action: Any, q: Any, v: Any) -> None:
    """Use one environment."""
    env: Any = gym.make(ENV_ID).unwrapped
    env.reset(seed=seed, options=options)
    env.step(action)
    env.set_state(q, v)
    env.step(np.zeros(1))


def vector_used(seed: Any, options: Any, action: Any, q: Any, v: Any, mask: Any) -> None:
    """Use a vector environment."""
    envs: Any = gym.make_vec(ENV_ID, num_envs=2).unwrapped
    envs.reset(seed=0)
    envs.reset(seed=seed, options=options)
    envs.step(action)
    envs.set_state(q, v, mask)
    envs.reset(options={"reset_mask": mask} if mask is not None else None)
    envs.step(np.zeros((2, 1)))


def plan(sim: Simulation, search: type, **options: Any) -> None:
    """Plan one action."""
    planner = Planner(imagined_returns(sim), sim.task.spec, search(**options))
    planner(sim.reset(2))


def fit_to(folder: Path, whole: Data, task: Any, **options: Any) -> None:
    """Fit a small model to a few steps."""
    training = {n: options.pop(n) for n in names(TrainingConfig) if n in options}
    rest = {n: options.pop(n) for n in ("device", "resume") if n in options}
    config = FitConfig(
        data=str(whole.path),
        options=options,
        training=TrainingConfig(**{**training, "held_out": training.get("held_out", 0.3)}),
    )
    fit(task, folder / f"fit-{len(list(folder.iterdir()))}", config, **{"device": "cpu", **rest})


def calls(random: Random, shared: dict[str, Call], folder: Path) -> Verdict:
    """Call something with an odd argument or two."""
    name = random.choice(sorted(shared))
    call = shared[name]
    given = dict(call.given)
    if name == "collect":
        given["destination"] = folder / "collected"
    chosen = {key: odd(random, key) for key in random.sample(call.names or sorted(given), k=1)}
    if random.random() < 0.2:
        chosen |= {key: odd(random, key) for key in random.sample(call.names or sorted(given), k=1)}
    shown = (f"{key}={' '.join(repr(value).split()):.60}" for key, value in chosen.items())
    said = f"{name}({', '.join(shown)})"

    def act() -> Verdict:
        try:
            call.act(**{**given, **chosen})
        except gym.error.Error:
            # Gymnasium refuses some before we see them, in words of its own.
            return REFUSED, "by Gymnasium"
        except (AttributeError, TypeError, ValueError) as error:
            frames = traceback.extract_tb(error.__traceback__)
            if any("learned_envs/" in frame.filename for frame in frames):
                raise
            return REFUSED, "by Gymnasium or by Python"
        return WORKS, ""

    verdict, more = judged(act, said)
    return verdict, more if more.startswith(name) else f"{said}: {more}"


CALLS = (Kind("arguments", prepare, calls),)
