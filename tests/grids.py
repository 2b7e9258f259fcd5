"""Which tasks the grids of tests hold: all, but of the many pendulums one of each kind."""

from learned_envs import registry
from learned_envs.task_entry import TRACED

PENDULUMS = {"ChainPendulum-2", "SpringPendulum-1", "FrictionalChainPendulum-2", "ContactPendulum"}
"""Pendulums that differ in kind: two joints, springs, friction, a floor."""

WRITTEN = [
    name
    for name, entry in registry.TASKS.items()
    if entry.entry_point != TRACED and ("Pendulum-" not in name or name in PENDULUMS)
]
"""Tasks with a file of their own. The others' rules are traced, and stand in the weights' card."""

SHIPPED = [task for task in registry.TASKS if registry.shipped_weights(task).is_file()]
"""Tasks whose weights are in the package."""

SHIPPED_TRACED = [task for task in SHIPPED if registry.TASKS[task].entry_point == TRACED]
SHIPPED_WRITTEN = [task for task in SHIPPED if task in WRITTEN]
