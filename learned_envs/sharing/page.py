"""The page of a model, made from its card: what it is, how to use it and how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import gymnasium as gym
import numpy as np

from learned_envs import registry
from learned_envs.card import Card
from learned_envs.figures import RolloutErrors
from learned_envs.terminal import pairs, rules_told

NEEDS_CODE = "Its rules are the real environment's own code, which has to be installed."

TRUST = (
    "The model is an approximation, good near the data that it was fitted to. Episodes are "
    "truncated where the members of its ensemble disagree strongly or where the state leaves the "
    "range of the data; that misses errors which all members share. Score agents in the real "
    "environment."
)


def reference_of(card: Card) -> str:
    """Return the id of the real environment that a model is of."""
    return card.spec.reference_id if card.reference is None else card.reference.id


def title_of(card: Card) -> str:
    """Return what a model is called."""
    return f"Learned {card.task}"


def spaces_of(checkpoint: str, card: Card) -> dict[str, gym.Space[Any]]:
    """Return the spaces of a model's environment, by name; none if its code is needed for them."""
    if card.hosted:
        return {}
    env = gym.make(registry.ANY, checkpoint=checkpoint, compile=False)
    env.close()
    return {"observations": env.observation_space, "actions": env.action_space}


def page(
    card: Card,
    checkpoint: str,
    spaces: dict[str, gym.Space[Any]],
    pictures: Sequence[str] = (),
    install: str = "learned-envs",
    more: str = "",
) -> str:
    """Return the page as Markdown.

    Args:
        card: of the model.
        checkpoint: what `checkpoint=` is given.
        spaces: of its environment, by name.
        pictures: names of files beside the page that show it, or tell more.
        install: what pip installs.
        more: a section of its own for where the page stands.
    """
    hosted = ', rules="hosted"' if card.hosted else ""
    code = (
        "import gymnasium as gym\nimport learned_envs\n\n"
        f'env = gym.make("{registry.ANY}", checkpoint="{checkpoint}"{hosted})\n'
    )
    parts = [
        f"# {title_of(card)}",
        f"A learned simulator of `{reference_of(card)}` behind the Gymnasium interface: "
        f"{card.members} networks of the family `{card.family}` take the place of MuJoCo's physics."
        + f" {NEEDS_CODE}"
        * bool(hosted),
        *[_shown(name) for name in pictures],
        f'## Use\n\n`pip install "{install}"`, Python 3.11 to 3.13.\n\n```python\n{code}```',
        more,
        "## Spaces\n\n" + spaces_told(card, spaces),
        "## How close it stays\n\n" + errors_told(card.held_out),
        "## Transfer\n\n" + transfer_told(card),
        "## Rules\n\n" + whose_rules(card),
        "## Limits\n\n" + "\n".join(f"- {line}" for line in (TRUST, *(card.notes or ()))),
        "## Data and version\n\n" + origin_told(card),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _shown(name: str) -> str:
    """Return what shows a picture or a video, or leads to a report."""
    if name.endswith(".html"):
        return f"[The report of the fit]({name})"
    if name.endswith((".mp4", ".webm")):
        return f'<video src="{name}" autoplay loop muted playsinline controls></video>'
    return f"![{name.rpartition('.')[0]}]({name})"


def spaces_told(card: Card, spaces: dict[str, gym.Space[Any]]) -> str:
    """Say what is observed and what acts."""
    if not spaces:
        return f"Those of `{reference_of(card)}`."
    return "\n".join(f"- {name}: {_space(space)}" for name, space in spaces.items())


def _space(space: gym.Space[Any]) -> str:
    if isinstance(space, gym.spaces.Box):
        low, high = float(np.min(space.low)), float(np.max(space.high))
        bounds = "" if np.isinf([low, high]).all() else f", from {low:.4g} to {high:.4g}"
        shape = " x ".join(map(str, space.shape))
        return f"{shape} number{'s' * (shape != '1')} of {space.dtype}{bounds}"
    if isinstance(space, gym.spaces.Dict):
        return "; ".join(f"`{name}`: {_space(each)}" for name, each in space.spaces.items())
    return f"`{space}`"


def errors_told(errors: RolloutErrors | None) -> str:
    """Return the table of errors over the horizon."""
    if errors is None:
        return "It was not measured."
    curves = errors.curves
    rows = [
        ["steps", *(curve.name for curve in curves)],
        ["---"] * (len(curves) + 1),
        *(
            [str(steps), *(f"{curve.median[at]:.2g}" for curve in curves)]
            for at, steps in enumerate(errors.horizons)
        ),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    twin = ", and a `twin` is MuJoCo itself, started from almost the same state"
    twin *= any(curve.name.startswith("twin") for curve in curves)
    verdict = "" if errors.beats_hold else "\n\n**It is no better than holding the first state.**"
    return (
        f"Median error of a predicted state over {errors.trajectories:,} held-out stretches, "
        "squared and in units of the data's variance. `hold` predicts that nothing moves"
        f"{twin}.\n\n{table}{verdict}"
    )


def transfer_told(card: Card) -> str:
    """Say what agents that were trained inside earn outside."""
    if (returns := card.returns) is None:
        return "No agent that was trained inside was scored in the real environment."
    inside, outside = fmean(returns.inside), fmean(returns.outside)
    told = (
        f"Agents that were trained inside have a mean return of {inside:,.5g} inside and of "
        f"{outside:,.5g} in `{reference_of(card)}`."
    )
    if returns.score is not None:
        told += f" That is {returns.score:.3f} of what training there gains."
    return told


def whose_rules(card: Card) -> str:
    """Say whose rules there are."""
    if card.reference is None:
        return f"Those of the package's task {card.task}, which are tested against the real one's."
    told = rules_told(card.rules).rstrip(".")
    return f"{told[0].upper()}{told[1:]}."


def origin_told(card: Card) -> str:
    """Say what the model was fitted to, and by what."""
    data = "" if card.data is None else f"- data: {card.data.steps:,} steps of the real system\n"
    kinds = f"- family: {card.family}, {card.members} members ({pairs(card.config)})\n"
    versions = f"- fitted with: {pairs(card.versions)}\n"
    return f"{data}{kinds}{versions}- sha256 of the weights: `{card.sha256}`"
