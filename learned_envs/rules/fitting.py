"""Whether rules fit the system that they are said to be of."""

from __future__ import annotations

from learned_envs.rules.rules import Rules
from learned_envs.systems.spec import SystemSpec


def check_rules(rules: Rules, spec: SystemSpec) -> None:
    """Check that rules take a system's actions, and advance what moves of its state.

    Raises:
        ValueError: if they do not.
    """
    if rules.action_space.size != spec.nu:
        raise ValueError(
            f"Got rules of {rules.action_space.size} actions for a system of {spec.nu}"
        )
    advanced = {name.removeprefix("memory.") for name in rules.step.outputs} | {"time"}
    if "ctrl" in advanced:
        # Activations follow from the controls.
        advanced.add("act")
    moving = [leaf.name for leaf in spec.leaves if not leaf.frozen]
    if still := [name for name in moving if name not in advanced]:
        raise ValueError(f"Got rules that do not say how {', '.join(still)} change")
