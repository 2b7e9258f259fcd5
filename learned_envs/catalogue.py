"""Which tasks and model families there are: one line each, and nothing imported until asked for.

Adding a task or a family is one file and one line here.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learned_envs.errors import UnknownNameError

if TYPE_CHECKING:
    from learned_envs.dynamics.dynamics import Family
    from learned_envs.tasks.task import Task

PENDULUMS: dict[str, dict[str, int | bool]] = {
    **{
        f"{friction}{kind}Pendulum-{links}": {
            "links": links,
            "spring": kind == "Spring",
            "friction": friction == "Frictional",
        }
        for kind in ("Chain", "Spring")
        for friction in ("", "Frictional")
        for links in range(1, 5)
    },
    "ContactPendulum": {"links": 1, "floor": True},
}
"""Systems of our own, and what their environment is made with."""

TASKS = {
    "InvertedPendulum": "learned_envs.tasks.inverted_pendulum:InvertedPendulum",
    "InvertedDoublePendulum": "learned_envs.tasks.inverted_double_pendulum:InvertedDoublePendulum",
    "Reacher": "learned_envs.tasks.reacher:Reacher",
    "Swimmer": "learned_envs.tasks.swimmer:Swimmer",
    "Hopper": "learned_envs.tasks.hopper:Hopper",
    "Walker2d": "learned_envs.tasks.walker2d:Walker2d",
    "HalfCheetah": "learned_envs.tasks.half_cheetah:HalfCheetah",
    **dict.fromkeys(PENDULUMS, "learned_envs.tasks.pendulum:Pendulum"),
}

FAMILIES = {
    "second_order": "learned_envs.dynamics.second_order:SecondOrder",
    "first_order": "learned_envs.dynamics.first_order:FirstOrder",
    "hamiltonian": "learned_envs.dynamics.hamiltonian:Hamiltonian",
    "forced_hamiltonian": "learned_envs.dynamics.forced_hamiltonian:ForcedHamiltonian",
    "lagrangian": "learned_envs.dynamics.lagrangian:Lagrangian",
    "residual_pathway": "learned_envs.dynamics.residual_pathway:ResidualPathway",
    "rigid_body_residual": "learned_envs.dynamics.rigid_body_residual:RigidBodyResidual",
    "rigid_body": "learned_envs.dynamics.rigid_body:RigidBody",
    "residual_mlp": "learned_envs.dynamics.residual_mlp:ResidualMLP",
    "recurrent": "learned_envs.dynamics.recurrent:Recurrent",
}

DEFAULT_FAMILY = "second_order"


def env_id(task: str) -> str:
    """Return the Gymnasium id of a task's learned environment."""
    return f"LearnedSim-{task}-v0"


def reference_id(task: str) -> str:
    """Return the Gymnasium id of the real environment that a task is modelled on."""
    return f"{task}-v0" if task in PENDULUMS else f"{task}-v5"


def task_of(name: str) -> str:
    """Return the task that `name`, a task or a `LearnedSim-*` id, stands for.

    Raises:
        UnknownNameError: where there is none.
    """
    by_id = {env_id(task): task for task in TASKS}
    task = by_id.get(name.removeprefix("learned_envs:"), name)
    if task not in TASKS:
        known = by_id if name.startswith("LearnedSim-") else TASKS
        raise UnknownNameError("task", name, known)
    return task


def task_class(name: str) -> type[Task]:
    """Import the class of a task.

    Raises:
        UnknownNameError: where there is none of that name.
    """
    loaded: type[Task] = _load("task", name, TASKS)
    return loaded


def family_class(name: str) -> type[Family]:
    """Import the configuration class of a model family.

    Raises:
        UnknownNameError: where there is none of that name.
    """
    loaded: type[Family] = _load("family", name, FAMILIES)
    return loaded


def family_name(cls: type[Family]) -> str:
    """Return the name of a model family, given its configuration class.

    Raises:
        UnknownNameError: if it is not in the catalogue.
    """
    for name in FAMILIES:
        if family_class(name) is cls:
            return name
    raise UnknownNameError("family", cls.__name__, FAMILIES)


def shipped_weights(task: str) -> Path:
    """Return where the package keeps a task's weights, whether or not they exist."""
    return Path(__file__).parent / "weights" / f"{task}.safetensors"


def _load(kind: str, name: str, entries: dict[str, str]) -> Any:
    if name not in entries:
        raise UnknownNameError(kind, name, entries)
    module, _, attribute = entries[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
