"""What the numbers of a system's state are called."""

from __future__ import annotations

from learned_envs.systems.spec import SystemSpec


def channel_names(spec: SystemSpec) -> tuple[str, ...]:
    """Return the names of the numbers of a state in the tangent space: positions, velocities.

    Examples:
        >>> from learned_envs.card import read_card
        >>> channel_names(read_card("InvertedPendulum").spec)
        ('slider', 'hinge', 'slider velocity', 'hinge velocity')
    """
    names: list[str] = []
    for joint in spec.joints:
        parts = ("x", "y", "z", "turn x", "turn y", "turn z") if joint.kind == "free" else ("",)
        names += [f"{joint.name} {part}".strip() for part in parts]
    return (*names, *(f"{name} velocity" for name in names))
