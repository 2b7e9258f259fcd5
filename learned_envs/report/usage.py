"""How the weights of a fit are used, in lines to copy."""

from __future__ import annotations

from pathlib import Path

from learned_envs import registry
from learned_envs.card import Card


def made(card: Card, checkpoint: str | Path | None) -> str:
    """Return the call that makes the environment.

    Args:
        card: of the weights.
        checkpoint: where they are; None for those in the package.
    """
    own = card.task not in registry.TASKS
    hosted = ', rules="hosted"' if card.reference and card.rules is None else ""
    where = f', checkpoint="{checkpoint}"' if checkpoint is not None else ""
    id = registry.ANY if own else registry.env_id(card.task)
    return f'gym.make("{id}"{where}{hosted})'


def lines(card: Card, checkpoint: str | Path | None) -> tuple[str, ...]:
    """Return three lines of Python that make the environment."""
    return (
        "import gymnasium as gym, learned_envs",
        "gym.register_envs(learned_envs)",
        f"env = {made(card, checkpoint)}",
    )
