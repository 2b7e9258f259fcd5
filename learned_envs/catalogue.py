"""The package's own tasks, model families and improvers, which fill the registry."""

from __future__ import annotations

import gymnasium as gym

from learned_envs.registry import (
    ANY,
    register_env,
    register_family,
    register_improver,
    register_task,
)
from learned_envs.task_entry import DISCOVERED, TRACED

WITH_TRACED_RULES = ("Ant", "Humanoid", "HumanoidStandup", "Pusher")
"""Tasks without a file: what is asked stands in the weights' card, traced from the environment."""

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
"""Our own systems, and the keyword arguments of their environment."""


def register_all() -> None:
    """Register them all, with Gymnasium too."""
    for name, cls in {
        "second_order": "SecondOrder",
        "first_order": "FirstOrder",
        "hamiltonian": "Hamiltonian",
        "forced_hamiltonian": "ForcedHamiltonian",
        "lagrangian": "Lagrangian",
        "residual_pathway": "ResidualPathway",
        "rigid_body_residual": "RigidBodyResidual",
        "rigid_body": "RigidBody",
        "residual_mlp": "ResidualMLP",
        "recurrent": "Recurrent",
    }.items():
        register_family(name, f"learned_envs.dynamics.{name}:{cls}")
    for algorithm in ("ppo", "sac", "td3"):
        register_improver(algorithm, "learned_envs.sb3.improver:Improver.of")
    for task, file in {
        "InvertedPendulum": "inverted_pendulum",
        "InvertedDoublePendulum": "inverted_double_pendulum",
        "Reacher": "reacher",
        "Swimmer": "swimmer",
        "Hopper": "hopper",
        "Walker2d": "walker2d",
        "HalfCheetah": "half_cheetah",
    }.items():
        register_task(task, f"learned_envs.tasks.{file}:{task}", reference_id=f"{task}-v5")
    for task in WITH_TRACED_RULES:
        register_task(task, TRACED, reference_id=f"{task}-v5", spec=DISCOVERED)
    register_env(ANY, {}, None, None)
    for task, parameters in PENDULUMS.items():
        reference_id = f"{task}-v0"
        gym.register(
            id=reference_id,
            entry_point="learned_envs.systems.pendulum:PendulumEnv",
            kwargs=parameters,
            max_episode_steps=500,
        )
        pendulum = "learned_envs.tasks.pendulum:Pendulum"
        register_task(task, pendulum, reference_id=reference_id, driven=False)
