"""How close are models of a real cube to tosses that nobody has fitted?

    python benchmarks/cube_tosses.py --tosses tosses.npz --count 10 50 100 200 399

Every eighth toss is kept back: they were made one after the other, and the last ones differ from
the rest. Each row is fitted to so many of the others: by `mujoco.sysid` alone, from the cube's
MJCF, and by `learned-envs fit` with and without that. Errors are of the tosses that are kept back:
the mean over a toss of the distance in position and of the angle between orientations, from its
first sample on, then over tosses. So ContactNets and NeRD report 0.017 m and 0.242 rad, and 0.018 m
(0.023 m from scratch).
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation

from learned_envs import Simulation
from learned_envs.cli import main as run_command
from learned_envs.data.recording import Array
from learned_envs.fit.folder import LOGS_FOLDER
from learned_envs.logs.convert import ROBOT_FILE
from learned_envs.logs.physics import physics_of, rolled
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec

EXAMPLE = Path(__file__).parent.parent / "examples" / "cube_tosses"

Roll = Callable[[Array, Array, int], Array]
"""From a first state, (nq) and (nv), to positions (steps, nq)."""


@dataclass(frozen=True)
class Options:
    """Fit to real tosses of a cube."""

    tosses: Path
    """The archive of tosses."""
    count: tuple[int, ...] = (10, 50, 100, 200, 399)
    """How many a fit learns from."""
    every: int = 8
    """Which toss is kept back, and learned from by none."""
    out: Path = Path("runs/cube-tosses")
    """Where fits go."""
    fit: str = "--members 2 --updates 6000"
    """Options of `learned-envs fit`."""


def main(options: Options) -> None:
    with np.load(options.tosses) as archive:
        tosses = {name: archive[name] for name in archive.files}
    ends = np.cumsum(tosses["length"])
    whole = [slice(end - n, end) for end, n in zip(ends, tosses["length"], strict=True)]
    kept = whole[options.every // 2 :: options.every]
    rest = [part for part in whole if part not in kept]
    table = Table("tosses", "model", "position, m", "orientation, rad", "minutes")
    for count in options.count:
        folder = options.out / str(count)
        folder.mkdir(parents=True, exist_ok=True)
        # Spread over the series, and the same for every model.
        chosen = [rest[i] for i in np.linspace(0, len(rest) - 1, count).round().astype(int)]
        np.savez(
            folder / "tosses.npz",
            length=np.array([part.stop - part.start for part in chosen]),
            qpos=np.concatenate([tosses["qpos"][part] for part in chosen]),
            qvel=np.concatenate([tosses["qvel"][part] for part in chosen]),
        )
        for name, more in (
            ("with its MJCF", ["--model", str(EXAMPLE / "cube.xml")]),
            ("from the tosses alone", []),
        ):
            out, began = folder / name.replace(" ", "-"), time.perf_counter()
            if not (out / "model.safetensors").is_file():
                words = ["fit", str(folder / "tosses.npz"), "--map", str(EXAMPLE / "cube.toml")]
                if run_command([*words, "--out", str(out), *more, *shlex.split(options.fit)]):
                    raise SystemExit(1)
            minutes = (time.perf_counter() - began) / 60
            simulation = Simulation.load(out)
            rows = [(name, learned(simulation))]
            if more:
                spec = simulation.task.spec
                rows.append(("mujoco.sysid", physics(out / LOGS_FOLDER / ROBOT_FILE, spec)))
            for told, roll in rows:
                place, turn = errors(roll, tosses, kept)
                spent = f"{minutes:.1f}" if told == name else ""
                table.add_row(str(count), told, f"{place:.4f}", f"{turn:.3f}", spent)
    Console().print(table)


def learned(simulation: Simulation) -> Roll:
    def roll(q: Array, v: Array, steps: int) -> Array:
        start = State(torch.tensor(q[None]).float(), torch.tensor(v[None]).float())
        with torch.no_grad():
            path = simulation.rollout(start, torch.zeros(1, steps, 0))
        return np.asarray(path.states.q[0, 1:].double().numpy())

    return roll


def physics(file: Path, spec: SystemSpec) -> Roll:
    model = physics_of(file, spec)

    def roll(q: Array, v: Array, steps: int) -> Array:
        return np.asarray(rolled(model, spec, q[None], v[None], np.zeros((1, steps, 0)))[0][0])

    return roll


def errors(roll: Roll, tosses: dict[str, Array], kept: list[slice]) -> tuple[float, float]:
    """Return the mean distance and angle over tosses."""
    places, turns = [], []
    for part in kept:
        true = tosses["qpos"][part]
        found = np.concatenate([true[:1], roll(true[0], tosses["qvel"][part][0], len(true) - 1)])
        places.append(np.linalg.norm(found[:, :3] - true[:, :3], axis=1).mean())
        one, other = (Rotation.from_quat(q[:, 3:], scalar_first=True) for q in (found, true))
        turns.append((one.inv() * other).magnitude().mean())
    return float(np.mean(places)), float(np.mean(turns))


if __name__ == "__main__":
    main(tyro.cli(Options))
