"""A page for each task with weights in the package, made from its card."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator
from sources import ROOT, read

from learned_envs import registry
from learned_envs.card import Card, read_card
from learned_envs.catalogue import WITH_TRACED_RULES
from learned_envs.sharing.page import (
    TRUST,
    errors_told,
    origin_told,
    spaces_told,
    transfer_told,
    whose_rules,
)

PICTURES = Path("docs/pictures")
"""Where the moving picture of a task lies, if one was made: Hopper.webp."""

OF_ANOTHER_MODEL = {"xml_file", "frame_skip"}
"""Parameters that change the physics, which a model cannot take."""


def shipped_tasks() -> list[str]:
    """Return the names of all tasks with weights in the package, in the order of the catalogue."""
    shipped = {path.stem for path in (ROOT / "learned_envs" / "weights").glob("*.safetensors")}
    return [name for name in registry.TASKS if name in shipped]


def file_name(task: str) -> str:
    """Return the name of a task's page."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", task).lower() + ".md"


def picture_of(task: str) -> str | None:
    """Return the path of a task's moving picture in the repository; None if there is none."""
    path = PICTURES / f"{task}.webp"
    return path.as_posix() if (ROOT / path).is_file() else None


def overview() -> str:
    """Return the page that lists all tasks."""
    rows = [
        "| task | real environment | observation, action | real steps | error after 10 steps "
        "| error after 100 | score of agents |\n|---|---|---|---|---|---|---|"
    ]
    for task in shipped_tasks():
        card = read_card(task)
        shapes = [_size(space) for space in _spaces_and_infos(task)[:2]]
        score = None if card.returns is None else card.returns.score
        rows.append(
            f"| [{task}]({file_name(task)}) | `{registry.reference_id(task)}` "
            f"| {', '.join(shapes)} | {card.real_steps or 0:,} | {_median(card, 10)} "
            f"| {_median(card, 100)} | {'' if score is None else f'{score:.2f}'} |"
        )
    table = "\n".join(rows)
    return (
        "# Tasks\n\n"
        "These have weights in the package, and each page is made from its weights' card. Errors "
        "are medians on held-out data, squared and in units of its variance. A score of 1 says "
        "that agents trained inside earn outside what training outside gains.\n\n"
        f"{table}\n\n"
        "`learned-envs list` prints them, and `learned-envs info Hopper` a card. Any other "
        "environment that MuJoCo simulates is [one command away](../your_own.md). There are also "
        "pendulums without weights, [to compare families on](../families.md).\n"
    )


def task_page(task: str) -> str:
    """Return the page of one task."""
    card = read_card(task)
    observations, actions, infos = _spaces_and_infos(task)
    env_id, real = registry.env_id(task), registry.reference_id(task)
    picture = picture_of(task)
    shown = f"![{task}, learned and real](../pictures/{task}.webp)" if picture else ""
    code = (
        "import gymnasium as gym\nimport learned_envs\n\n"
        f'env = gym.make("{env_id}")\n'
        f'envs = gym.make_vec("{env_id}", num_envs=1024)  # natively batched\n'
    )
    sim = f'from learned_envs import Simulation\n\nsim = Simulation.load("{task}")\n'
    sections = {
        "Load it": f"```python\n{code}```\n\nAs plain batched torch, differentiable:\n\n"
        f"```python\n{sim}```\n\nAn agent that was trained here acts in `{real}` without a change.",
        "Spaces": spaces_told(card, {"observations": observations, "actions": actions}),
        "What is asked": _asked(task),
        "Infos": ", ".join(f"`{name}`" for name in infos),
        "Parameters": _parameters(task),
        "Joints": _joints(card),
        "Errors over the horizon": _errors(card),
        "Transfer": transfer_told(card) + _returns(card),
        "Limits": "\n".join(f"- {line}" for line in (TRUST, *_limits(task), *(card.notes or ()))),
        "Rules": whose_rules(card),
        "Versions": _versions(env_id),
        "Data": origin_told(card),
    }
    parts = [f"# {task}", shown, _facts(task, card)]
    parts += [f"## {name}\n\n{text}" for name, text in sections.items() if text]
    return "\n\n".join(part for part in parts if part) + "\n"


@functools.cache
def _spaces_and_infos(task: str) -> tuple[gym.Space[Any], gym.Space[Any], list[str]]:
    """Make the learned environment, and take a step in it for the names of its infos."""
    env = gym.make(registry.env_id(task), compile=False)
    env.reset(seed=0)
    infos = env.step(env.action_space.sample())[4]
    env.close()
    return env.observation_space, env.action_space, sorted(infos)


def _size(space: gym.Space[Any]) -> str:
    return " x ".join(map(str, space.shape or ()))


def _facts(task: str, card: Card) -> str:
    steps = gym.spec(registry.env_id(task)).max_episode_steps
    return (
        f"| id | `{registry.env_id(task)}` |\n|---|---|\n"
        f"| real environment | `{registry.reference_id(task)}` |\n"
        f"| a step | {card.spec.dt:.3g} s; an episode has at most {steps:,} |\n"
        f"| model | {card.members} networks of the family `{card.family}` |\n"
        f"| fitted to | {card.real_steps or 0:,} steps of the real environment |"
    )


def _asked(task: str) -> str:
    """Return what a task's own docstring says of its actions, observations and rewards."""
    if task in WITH_TRACED_RULES:
        return (
            f"The observations, rewards and ends are those of `{registry.reference_id(task)}`, "
            "whose own code was traced to a graph of operations, which the weights hold. "
            "[Rules](../rules.md) says how."
        )
    text = (inspect.getdoc(registry.task_class(task)) or "").split("\nAttributes:")[0]
    parts = re.split(r"^## (.+)$", text, flags=re.M)[1:]
    named = zip(parts[::2], parts[1::2], strict=True)
    return "\n\n".join(f"### {name.capitalize()}\n\n{body.strip()}" for name, body in named)


def _parameters(task: str) -> str:
    """Return a table of what `gym.make` takes beside the package's own options."""
    values, told = _of_the_real_one(task) if task in WITH_TRACED_RULES else _of_the_task(task)
    rows = [f"| `{name}` | `{value}` | {told.get(name, '')} |" for name, value in values.items()]
    if not rows:
        return ""
    anew = (
        "\n\nIf one is another than here, the rules are traced anew, which takes some seconds and "
        "needs the real environment."
    )
    return (
        "The real environment's own, and their defaults. The options of every learned "
        "environment are in the [quickstart](../quickstart.md#use).\n\n"
        "| parameter | default | |\n|---|---|---|\n"
        + "\n".join(rows)
        + anew * (task in WITH_TRACED_RULES)
    )


def _of_the_real_one(task: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the parameters of the real environment's constructor, which says no more of them."""
    entry = gym.spec(registry.reference_id(task)).entry_point
    taken = inspect.signature(load_env_creator(str(entry)))
    return {
        name: parameter.default
        for name, parameter in taken.parameters.items()
        if isinstance(parameter.default, (bool, int, float, tuple))
        if name not in OF_ANOTHER_MODEL
    }, {}


def _of_the_task(task: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the parameters of a task, and what its docstrings say of them."""
    cls, told = registry.task_class(task), {}
    for base in reversed(cls.__mro__):
        listed = (inspect.cleandoc(base.__doc__ or "")).partition("Attributes:\n")[2]
        for name, text in re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", listed, flags=re.M):
            told[name] = " ".join(text.split())
    fields = [each for each in dataclasses.fields(cls) if each.default is not dataclasses.MISSING]
    return {each.name: each.default for each in fields}, told


def _joints(card: Card) -> str:
    """Return a table of the joints, which `State` has the positions and velocities of."""
    rows = []
    for joint in card.spec.joints:
        unit = {"slide": "m", "hinge": "rad", "free": "m and a quaternion"}[joint.kind]
        limits = "" if joint.limits is None else " to ".join(f"{x:.4g}" for x in joint.limits)
        rows.append(f"| `{joint.name}` | {joint.kind} | {joint.q} | {joint.v} | {limits} {unit} |")
    return (
        "What `State` has of each: where its position is in `q` and its velocity in `v`.\n\n"
        "| joint | kind | q from | v from | limits, unit |\n|---|---|---|---|---|\n"
        + "\n".join(rows)
    )


def _median(card: Card, steps: int) -> str:
    errors = card.held_out
    if errors is None or steps not in errors.horizons:
        return ""
    return f"{errors.curve('model').median[errors.horizons.index(steps)]:.2g}"


def _errors(card: Card) -> str:
    """Return the errors on held-out data, and those on agents that are in no data."""
    held_out = errors_told(card.held_out)
    if card.fidelity is None:
        return held_out
    parts = [
        "### On what the fit held out",
        held_out,
        "### On agents that are in no data",
        errors_told(card.fidelity.report),
    ]
    if (run := card.fidelity.long_run) is not None:
        parts.append(
            f"Over full episodes of {run.agents} agents that learned outside, the rules ended "
            f"{run.fell_inside:.0%} of the episodes inside and {run.fell_outside:.0%} outside; "
            f"{run.diverged:.0%} inside left the envelope of the data. "
            "[How good it is](../figures.md) explains these figures, and has every task's."
        )
    return "\n\n".join(parts)


def _returns(card: Card) -> str:
    """Return the returns of each agent, as a table."""
    if (returns := card.returns) is None:
        return ""
    outside: Sequence[float | None] = returns.trained_outside or [None] * len(returns.inside)
    rows = [
        f"| {seed} | {_number(inside)} | {_number(there)} | {_number(rival)} |"
        for seed, inside, there, rival in zip(
            returns.seeds or range(len(returns.inside)),
            returns.inside,
            returns.outside,
            outside,
            strict=False,
        )
    ]
    random = "" if returns.random is None else f" Random actions return {returns.random:,.5g}."
    return (
        f"{random}\n\n| seed | trained inside, inside | trained inside, outside "
        "| trained outside |\n|---|---|---|---|\n" + "\n".join(rows)
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.5g}"


def _limits(task: str) -> list[str]:
    """Return what README's limits say of a task, one sentence or more each."""
    limits = read("README.md").partition("\n## Limits\n")[2].partition("\n## ")[0]
    points = [" ".join(point.split()) for point in re.split(r"^- ", limits, flags=re.M)[1:]]
    return [point for point in points if re.search(rf"\b{task}s?\b", point)]


def _versions(env_id: str) -> str:
    """Return what the changelog says of an environment's weights."""
    changes = " ".join(read("CHANGELOG.md").split())
    points = re.findall(r"(?<= - )(.+?)(?= - | ## | ### |$)", changes)
    named = [point for point in points if f"`{env_id}`" in point]
    return "Of the changes to its weights, newest first:\n\n" + "\n".join(
        f"- {point}" for point in named
    )
