"""What the shipped weights are and do: `pins.json`, and how it is written.

    python tests/pins.py --write

is refused for weights that changed unless users are told: by a new `-vN`, or by a line in
CHANGELOG.md under "Environments" that names the task.
"""

import argparse
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import torch
from grids import SHIPPED

from learned_envs import Simulation, State, registry

PINS = Path(__file__).with_suffix(".json")
CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"
BATCH, STEPS = 2, 20

WRITE = "Run `python tests/pins.py --write`."
TELL = (
    'Name the task in a new line of CHANGELOG.md under "Environments", or give the environment a '
    f"new -vN. {WRITE}"
)


def identity(task: str) -> dict[str, Any]:
    """Return a task's id, its weights' sha256, and how often CHANGELOG.md tells of them."""
    data = registry.shipped_weights(task).read_bytes()
    told = announcements(task, CHANGELOG.read_text(encoding="utf-8"))
    return {
        "id": registry.env_id(task),
        "sha256": hashlib.sha256(data).hexdigest(),
        "announcements": told,
    }


def announcements(task: str, changelog: str) -> int:
    """Count the entries under "Environments", in all versions, that name a task."""
    sections = re.findall(r"^### Environments$(.*?)(?=^##|\Z)", changelog, re.M | re.S)
    entries = [entry for section in sections for entry in re.split(r"^- ", section, flags=re.M)]
    return sum(re.search(rf"\b{task}\b", entry) is not None for entry in entries)


def untold(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Return whether weights changed and users were not told."""
    told = new["id"] != old["id"] or new["announcements"] > old["announcements"]
    return bool(new["sha256"] != old["sha256"] and not told)


def rollout(task: str, start: dict[str, Any] | None = None) -> dict[str, Any]:
    """Step a task's simulation from `start`, or the task's own starts, under fixed actions."""
    simulation = Simulation.load(task)
    if start is None:
        state = simulation.task.initial_state(BATCH, torch.Generator().manual_seed(0))
    else:
        state = State(torch.tensor(start["q"]), torch.tensor(start["v"]))
    high = torch.tensor(simulation.task.spec.control_high)
    phase = torch.arange(len(high)) + 2 * torch.arange(BATCH)[:, None, None]
    actions = high * torch.sin(0.5 * torch.arange(STEPS)[:, None] + phase)
    seen = simulation.rollout(state, actions)
    return {
        "start": {"q": state.q.tolist(), "v": state.v.tolist()},
        "end": {"q": seen.states.q[:, -1].tolist(), "v": seen.states.v[:, -1].tolist()},
        "rewards": seen.rewards.tolist(),
    }


def write() -> None:
    """Write the pins of all shipped weights.

    Raises:
        SystemExit: if weights changed and users were not told.
    """
    old = json.loads(PINS.read_text()) if PINS.exists() else {}
    new = {task: identity(task) for task in SHIPPED}
    for task in new.keys() & old.keys():
        if untold(old[task], new[task]):
            raise SystemExit(f"The weights of {task} changed and nobody is told. {TELL}")
    lines = [f'"{task}": {json.dumps({**new[task], **rollout(task)})}' for task in new]
    PINS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", required=True, help="write pins.json")
    parser.parse_args()
    write()
