"""How long rollouts stay close to MuJoCo, beside models, perturbed MuJoCo and doing nothing.

    python benchmarks/fidelity.py --foil runs/hopper-residual

prints the standardised squared error (median and mean) at 1 to 200 steps of

- `model`: the shipped model's ensemble mean, or that of `--checkpoint`;
- `member`: one fixed member a trajectory, as environments step by default;
- `past its end`: the model again, going on where the task's rules end the predicted episode;
  everywhere else a predicted episode stays at its last state, as an environment's does;
- each `--foil`: other fits, a `residual_mlp` say;
- `twin`: real MuJoCo restarted from the same state with normal noise on q and v;
- `hold`: the first state held.

The trajectories are those of agents that learn in the real environment under a seed that no
shipped weights have seen. They are recorded once, into `--data`, by the command

    learned-envs collect Hopper --steps 2250000 --learners 2 --seed 1 --out data/hopper-held-out
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console

from learned_envs import Simulation, State
from learned_envs.fit.collection import collect
from learned_envs.fit.dataset import Dataset
from learned_envs.fit.evaluation import HORIZONS, Predictor, compare, model_of, stay_at_the_end
from learned_envs.fit.recording import Recording
from learned_envs.fit.reference import make_reference, replay
from learned_envs.fit.trajectories import Window
from learned_envs.sb3 import learn_outside
from learned_envs.tasks import Task

TWIN_NOISE = (1e-6, 1e-4, 1e-3)


@dataclass(frozen=True)
class Fidelity:
    """Measure rollout errors on trajectories of policies that no training data holds."""

    task: str = "Hopper"
    """Name of the task."""
    checkpoint: str | None = None
    """A fit's folder or weights file in place of the shipped weights."""
    foil: tuple[str, ...] = ()
    """Other fits of the task to compare with."""
    data: Path | None = None
    """Held-out dataset; data/<task>-held-out if not given, recorded if it does not exist."""
    steps: int = 2_250_000
    """Steps to record where there is none."""
    trajectories: int = 1000
    """Windows that errors are measured on."""
    seed: int = 0
    """Decides which windows."""
    twins: bool = True
    """Whether to run perturbed MuJoCo."""
    json: Path | None = None
    """Where to write the figures as JSON."""
    plot: Path | None = None
    """Where to draw them."""


def main(args: Fidelity) -> None:
    recording = unseen(held_out(args))
    simulation = Simulation.load(args.checkpoint or args.task)
    predictors: dict[str, Predictor] = {
        "model": model_of(simulation),
        "member": member_of(simulation),
        "past its end": model_of(simulation, past_the_end=True),
    }
    for path in args.foil:
        foil = Simulation.load(path)
        predictors[f"{foil.card['family']} ({path})"] = model_of(foil)
    if args.twins:
        for noise in TWIN_NOISE:
            predictors[f"twin {noise:.0e}"] = twin(args.task, simulation.task, recording, noise)
    report = compare(recording, simulation, predictors, HORIZONS, args.trajectories, args.seed)
    Console(width=140).print(report.table())
    if args.json is not None:
        args.json.write_text(json.dumps(report.to_dict(), indent=1))
    if args.plot is not None:
        report.plot(args.plot)


def held_out(args: Fidelity) -> Dataset:
    """Open the held-out dataset, or record it."""
    path = args.data or Path("data") / f"{args.task.lower()}-held-out"
    if path.exists():
        return Dataset.open(path, args.task)
    Console().print(f"Recording {args.steps:,} steps into {path}, once.")
    learners = {"ppo-0": learn_outside, "ppo-1": learn_outside}
    return collect(args.task, args.steps, path, learners=learners, seed=1)


def unseen(dataset: Dataset) -> Recording:
    """Leave out the random actor, whom the training data holds too."""
    recording = dataset.load()
    return recording.select([i for i, s in enumerate(recording.sources) if s != "random"])


def member_of(simulation: Simulation) -> Predictor:
    """Predict with one fixed member a trajectory, drawn at random."""

    def predict(window: Window) -> Sequence[State]:
        generator = torch.Generator().manual_seed(0)
        start = simulation.dynamics.begin(window.start, generator)
        states = simulation.rollout(start, window.actions).states
        reached = [states[:, t + 1] for t in range(window.length)]
        return stay_at_the_end(simulation.task, reached)

    return predict


def twin(name: str, task: Task, recording: Recording, noise: float) -> Predictor:
    """Predict with real MuJoCo, restarted with normal noise on q and v."""
    env = make_reference(name)

    def predict(window: Window) -> Sequence[State]:
        random = np.random.default_rng(0)
        q, v = [], []
        for row, actions in zip(window.rows.tolist(), window.actions.numpy(), strict=True):
            start_q, start_v = recording.qpos[row], recording.qvel[row]
            positions, velocities = replay(
                env,
                start_q + noise * random.standard_normal(start_q.shape),
                start_v + noise * random.standard_normal(start_v.shape),
                actions,
            )
            q.append(positions[1:])
            v.append(velocities[1:])
        at = torch.tensor(np.array(q)), torch.tensor(np.array(v))
        states = [State(at[0][:, t], at[1][:, t]) for t in range(window.length)]
        return stay_at_the_end(task, states)

    return predict


if __name__ == "__main__":
    main(tyro.cli(Fidelity))
