"""How close predicted readings of sensors are, and whether the model knows how close."""

from __future__ import annotations

import torch
from torch import Tensor

from learned_envs.data.recording import Recording
from learned_envs.data.trajectories import Trajectories
from learned_envs.figures import SensorFigures
from learned_envs.simulation import Simulation
from learned_envs.state import joined

CHUNK = 4096
"""Steps predicted at once."""

LEAST_VARIANCE = 1e-6
"""Of a sensor's numbers, those with less than this share of the largest variance hardly vary."""


@torch.no_grad()
def sensor_figures(
    simulation: Simulation, recording: Recording, steps: int = 20_000, seed: int = 0
) -> dict[str, SensorFigures]:
    """Measure the readings that the ensemble's mean predicts one step ahead.

    Args:
        simulation: the model.
        recording: held-out episodes.
        steps: how many to draw.
        seed: decides which.

    Returns:
        Figures by the sensor's name. Sensors that do not vary over these steps are left out, and
        those that the recording lacks.
    """
    device, dynamics = simulation.device, simulation.dynamics
    sensors = [
        sensor
        for sensor in simulation.task.sensors
        if sensor.place is not None or sensor.name in recording.columns
    ]
    if not sensors:
        return {}
    held = Trajectories.of(recording, simulation.task.spec, device, sensors)
    generator = torch.Generator(device).manual_seed(seed)
    predicted, spreads, true = [], [], []
    for rows in torch.split(held.draw((steps,), 1, generator), CHUNK):
        window = held.window(rows, 1)
        said = dynamics.step_told(window.start, window.actions[:, 0])
        predicted.append(said.readings)
        spreads.append(said.spreads)
        true.append({name: read[:, 0] for name, read in window.readings.items()})
    said_spreads = joined(spreads)
    figures = {}
    for name, read in joined(true).items():
        found = figures_of(read, joined(predicted)[name], said_spreads.get(name))
        if found is not None:
            figures[name] = found
    return figures


def figures_of(read: Tensor, predicted: Tensor, spread: Tensor | None) -> SensorFigures | None:
    """Compare a sensor's readings with what was predicted.

    Args:
        read: (n, size) what was read.
        predicted: (n, size).
        spread: (n, size) how wrong the model says that this is; None if it says nothing.

    Returns:
        The figures of the numbers that vary; None if none does.
    """
    variance = read.double().var(0)
    varies = variance > max(1e-12, LEAST_VARIANCE * variance.max().item())
    if not varies.any():
        return None
    error = (predicted - read).abs()[:, varies]
    share = (error.double().square().mean(0) / variance[varies]).mean().item()
    if spread is None:
        return SensorFigures(share)
    read, spread = read[:, varies], spread[:, varies]
    busy = read != read.mode(0).values

    def within(chosen: Tensor) -> tuple[float, float]:
        once, twice = ((error <= times * spread)[chosen].double().mean() for times in (1, 2))
        return once.item(), twice.item()

    return SensorFigures(
        share, within(torch.ones_like(busy)), busy.double().mean().item(), within(busy)
    )
