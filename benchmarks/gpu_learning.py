"""Training and evaluation on a device: updates and rollouts a second, and a model that learns."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from gpu_run import Row, Run, autocast, installed, nothing_falls_back, precision
from gpu_speed import COMPILED, EAGER, REDUCED

from learned_envs import Simulation, registry
from learned_envs.data.recording import Episode, Recording
from learned_envs.data.trajectories import Trajectories
from learned_envs.dynamics import Ensemble
from learned_envs.evaluation.evaluation import evaluate
from learned_envs.fit.config import TrainingConfig
from learned_envs.fit.training import Training
from learned_envs.stepping import compiled
from learned_envs.workers import usable_cores

TIMED_HORIZON = 2
"""Steps that a timed update predicts in a row."""

BATCHES = (256, 1024, 4096)
"""Windows for each member in an update, at which the pace of training is told."""

LEARNING_BATCH = 1024
"""Windows for each member in an update of the training that is timed as a whole."""

HORIZONS = (2, 4, 8, 16)
"""Steps that updates of that training predict in a row, as by default."""

LEAST_UPDATES = 200
"""Updates after which a model must be better than it was."""

REPORTED = (1, 10, 50, 100)
"""Steps after which errors are told."""

EPISODE_STEPS = 200
"""Steps of an episode that is recorded in the learned environment."""

ROLLOUTS = (4096, 65_536)
"""Held-out rollouts that are evaluated."""


def recorded(run: Run) -> tuple[Recording, str]:
    """Return recorded episodes, and where they are from: MuJoCo, or the shipped model without it.

    What another part recorded in MuJoCo is read.
    """
    if installed("mujoco") and run.steps:
        from learned_envs.data.dataset import Dataset
        from learned_envs.fit import collect

        path = Path(run.data) / "recorded"
        if not (path / "manifest.json").exists():
            collect(run.learner, run.steps, path, workers=usable_cores())
        return Dataset.open(path).load(), "real MuJoCo"
    return learned_episodes(run.learner, max(4, run.steps // EPISODE_STEPS)), "the shipped model"


@torch.no_grad()
def learned_episodes(task: str, count: int) -> Recording:
    """Record episodes of a random actor in the shipped model, each in a member of its own.

    They are not cut when the task would end them.
    """
    simulation = Simulation.load(task)
    g = torch.Generator().manual_seed(0)
    state = simulation.reset(count, g)
    spec = simulation.task.spec
    actions = torch.rand(count, EPISODE_STEPS, spec.nu, generator=g) * 2 - 1
    rollout = simulation.rollout(state, actions)
    first = simulation.task.observation(state)
    seen = torch.cat([first[:, None], rollout.observations], 1)
    arrays = [x.double().numpy() for x in (rollout.states.q, rollout.states.v, seen)]
    rewards = rollout.rewards.double().numpy()
    return Recording.of(
        [
            Episode(q, v, o, actions[i].numpy(), rewards[i], False, True, i, "random")
            for i, (q, v, o) in enumerate(zip(*arrays, strict=True))
        ]
    )


def training_of(run: Run, recording: Recording, device: str, out: Path, **how: Any) -> Training:
    """Begin a training of the learner's model, as `fit` would."""
    task = Simulation.load(run.learner).task
    spec, sensors = task.spec, task.sensors
    rest, held_out = recording.split(0.05, 0)
    torch.manual_seed(0)
    family = registry.family_class(registry.DEFAULT_FAMILY)()
    dynamics = Ensemble(family, spec, 3, sensors).to(device)
    data, held = (Trajectories.of(part, spec, device, sensors) for part in (rest, held_out))
    out.mkdir(parents=True, exist_ok=True)
    card = {"task": run.learner}
    return Training(dynamics, data, held, TrainingConfig(**how), out, card, True)


def updates(run: Run) -> None:
    """Measure updates of training, each of as many windows as there would be environments."""
    recording, _ = recorded(run)
    cases = [(EAGER, "float32"), (EAGER, "tf32"), (EAGER, "bfloat16"), (COMPILED, "tf32")]
    if run.on_gpu:
        cases.append((REDUCED, "tf32"))
    else:
        cases = [(EAGER, "float32")]
    with tempfile.TemporaryDirectory() as folder:
        for engine, numbers in cases:
            make = cache(partial(begun, run, recording, engine, Path(folder) / engine / numbers))
            for windows in run.sizes:
                run.attempt(
                    partial(updated, run, make, numbers, windows),
                    what=f"training, windows a second (of {TIMED_HORIZON} steps, 3 members)",
                    how=f"{engine}, {numbers}",
                    envs=windows,
                )


def begun(run: Run, recording: Recording, engine: str, out: Path) -> Training:
    """Begin a training whose updates are timed."""
    training = training_of(
        run, recording, run.device, out, horizons=(TIMED_HORIZON,), compile=engine == COMPILED
    )
    if engine == REDUCED:
        training.loss = compiled(training.loss, mode="reduce-overhead")
    return training


def updated(run: Run, make: Callable[[], Training], numbers: str, windows: int) -> Row:
    """Take updates of so many windows for each member."""
    training = make()
    training.config = replace(training.config, batch_size=windows)
    with precision(numbers), nothing_falls_back(), autocast(run.device, numbers):
        return {"speed": run.pace(training.advance, windows)}


def evaluations(run: Run) -> None:
    """Measure how long it takes to evaluate held-out rollouts, on the device and on the CPU."""
    recording, source = recorded(run)
    counts = ROLLOUTS if run.on_gpu else (64,)
    cases = [(run.device, count) for count in counts]
    if run.on_gpu:
        cases.append(("cpu", 512))
    for device, count in cases:
        run.attempt(
            partial(evaluated, run, recording, device, count),
            what=f"held-out rollouts of {source}",
            device=device,
            rollouts=count,
        )


def evaluated(run: Run, recording: Recording, device: str, count: int) -> Row:
    """Evaluate the shipped model along held-out rollouts."""
    simulation = Simulation.load(run.learner, device)
    horizons = [h for h in REPORTED if h <= recording.lengths.max()]
    evaluate(simulation, recording, horizons, count)
    run.wait()
    begin = time.perf_counter()
    report = evaluate(simulation, recording, horizons, count)
    run.wait()
    taken = time.perf_counter() - begin
    median = report.curve("model").median
    return {
        "seconds": taken,
        "steps_per_second": count * max(report.horizons) / taken,
        "median_errors": dict(zip(map(str, report.horizons), median, strict=True)),
    }


def learning(run: Run) -> None:
    """Train one ensemble for a while, beside the pace of the CPU."""
    recording, source = recorded(run)
    with tempfile.TemporaryDirectory() as folder:
        paces: dict[tuple[str, int], float] = {}
        devices = dict.fromkeys((run.device, "cpu"))
        for device in devices:
            for windows in BATCHES if run.on_gpu else BATCHES[:1]:
                row = run.attempt(
                    partial(pace_of, run, recording, device, windows, Path(folder)),
                    what="updates a second, 8 steps predicted in a row",
                    device=device,
                    windows=windows,
                )
                paces[device, windows] = row.get("updates_per_second", 0.0)
        run.attempt(
            partial(learned, run, recording, Path(folder) / "learning", paces),
            what=f"training on {recording.steps:,} steps of {source}",
            device=run.device,
        )


def pace_of(run: Run, recording: Recording, device: str, windows: int, folder: Path) -> Row:
    """Measure the pace of training at the default precision."""
    out = folder / device.replace(":", "-") / str(windows)
    training = training_of(run, recording, device, out, horizons=(8,), batch_size=windows)
    return {"updates_per_second": run.pace(training.advance, 1)}


def learned(run: Run, recording: Recording, out: Path, paces: dict[tuple[str, int], float]) -> Row:
    """Train for `run.learning` seconds, and tell what came of it."""
    windows = LEARNING_BATCH if run.on_gpu else BATCHES[0]
    seconds = max(0.1, min(run.learning, run.left() - 5))
    pace = paces.get((run.device, windows), 0.0)
    if not pace:
        return {"failure": "the pace of training is not known"}
    # Long predictions cost more: the mean over the horizons is near the pace of 8 steps.
    planned = max(len(HORIZONS), int(pace * seconds))
    training = training_of(
        run, recording, run.device, out, horizons=HORIZONS, batch_size=windows, updates=planned
    )
    before = training.check()["held_out/score"]
    run.wait()
    begin = time.perf_counter()
    while not training.finished and time.perf_counter() - begin < seconds:
        loss = training.advance()
        if training.update % 500 == 0:
            training.check()
    run.wait()
    taken = time.perf_counter() - begin
    errors = training.check()
    slow = paces.get(("cpu", windows), 0.0)
    return {
        "seconds": taken,
        "windows": windows,
        "updates": training.update,
        "planned": planned,
        "updates_per_second": training.update / taken,
        "cpu_updates_per_second": slow,
        "times_the_cpu": pace / slow if slow else None,
        "loss": loss,
        "score_before": before,
        "score_after": errors["held_out/score"],
        "median_errors": {
            name.removeprefix("held_out/median_error_"): value
            for name, value in errors.items()
            if name.startswith("held_out/median_error_")
        },
        "good": training.update < LEAST_UPDATES or errors["held_out/score"] < before,
    }
