"""How the weights of a fit are used, in lines to copy."""

from __future__ import annotations

from pathlib import Path

from learned_envs.card import Card


def made(card: Card, checkpoint: str | Path | None) -> str:
    """Return the call that makes the environment.

    Args:
        card: of the weights.
        checkpoint: where they are; None for those in the package.
    """
    hosted = ', rules="hosted"' if card.hosted else ""
    where = f', checkpoint="{checkpoint}"' if checkpoint is not None else ""
    return f'gym.make("{card.environment}"{where}{hosted})'


def lines(card: Card, checkpoint: str | Path | None) -> tuple[str, ...]:
    """Return three lines of Python that make the environment."""
    return (
        "import gymnasium as gym, learned_envs",
        "gym.register_envs(learned_envs)",
        f"env = {made(card, checkpoint)}",
    )
