"""Which tasks the grids of tests hold: all, but of the many pendulums one of each kind."""

from learned_envs import registry

PENDULUMS = {"ChainPendulum-2", "SpringPendulum-1", "FrictionalChainPendulum-2", "ContactPendulum"}
"""Pendulums that differ in kind: two joints, springs, friction, a floor."""

TASKS = [task for task in registry.TASKS if "Pendulum-" not in task or task in PENDULUMS]

SHIPPED = [task for task in registry.TASKS if registry.shipped_weights(task).is_file()]
"""Tasks whose weights are in the package."""
