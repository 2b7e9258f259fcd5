"""From a fit's folder, whatever there is of it, to all that its report says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from learned_envs import __version__, registry
from learned_envs.card import FILE_NAME, Card, find_checkpoint, read_card
from learned_envs.errors import CheckpointError, LearnedEnvsError
from learned_envs.figures import gap_of
from learned_envs.fit.config import FitFile
from learned_envs.fit.folder import CONFIG_FILE, DATA_FOLDER
from learned_envs.fit.round import read_history
from learned_envs.report.asked import Asked
from learned_envs.report.content import Content, Errors, RoundFigures, RuleOf
from learned_envs.report.training import training_curves, updates_done
from learned_envs.report.usage import lines
from learned_envs.report.verdicts import verdicts
from learned_envs.terminal import pairs, rules_told


def gather(asked: Asked) -> Content:
    """Collect what a report says.

    Raises:
        CheckpointError: if there is neither a fit nor a checkpoint.
        UnknownNameError: if the run is neither a path that exists nor a task's name.
        WeightsNotShippedError: if a task's weights are not in the package.
    """
    folder = Path(asked.run)
    if folder.is_dir() and not (folder / FILE_NAME).is_file():
        if not (folder / CONFIG_FILE).is_file():
            raise CheckpointError(
                f"{folder} is no fit's folder: it holds neither {FILE_NAME} nor {CONFIG_FILE}. "
                "Expected a folder that `learned-envs fit` made, a checkpoint, or a task's name."
            )
        return _without_model(folder, asked)
    try:
        card = read_card(asked.run)
    except CheckpointError as error:
        if not (folder / CONFIG_FILE).is_file():
            raise
        return _empty(folder.name, "broken", str(error), folder, asked)
    return _with_model(card, folder, asked)


def _without_model(folder: Path, asked: Asked) -> Content:
    try:
        stored = FitFile.from_json((folder / CONFIG_FILE).read_bytes())
    except (OSError, msgspec.MsgspecError) as error:
        told = f"{CONFIG_FILE} is not the settings of a fit ({error}). Fit again elsewhere."
        return _empty(folder.name, "broken", told, folder, asked)
    name = _short(stored.task)
    recorded = _recorded(folder / DATA_FOLDER)
    there = f"{recorded:,} real steps were recorded" if recorded else "Nothing is recorded"
    told = f"{there}, and no model is saved yet. Go on with `learned-envs fit ... --resume`."
    facts = {"task": stored.task, "family": stored.config.family}
    return replace(_empty(name, "unfinished", told, folder, asked), facts=facts)


def _empty(name: str, condition: Any, told: str, folder: Path, asked: Asked) -> Content:
    if asked.failure is not None:
        condition, told = "broken", f"The fit ended with an error: {asked.failure}"
    return Content(name, _now(), __version__, condition, told, curves=training_curves(folder))


def _with_model(card: Card, folder: Path, asked: Asked) -> Content:
    rounds = _rounds(card, folder)
    errors = [Errors("held-out episodes", card.held_out)] if card.held_out else []
    if card.fidelity is not None:
        errors.append(Errors("paths of agents that are in no data", card.fidelity.report))
    condition, told = _condition(card, folder, asked)
    shipped = not Path(asked.run).exists()
    content = Content(
        title=_title(card, folder),
        written=_now(),
        version=__version__,
        condition=condition,
        told=told,
        facts=_facts(card, asked.run),
        use=lines(card, None if shipped else asked.run),
        verdicts=verdicts(card, rounds),
        errors=tuple(errors),
        curves=training_curves(folder) if folder.is_dir() else (),
        rounds=rounds,
        **_rules(card),
        sources=dict(card.data.sources) if card.data else {},
        seconds=card.data.steps * card.spec.dt if card.data else None,
        notes=(*(card.notes or ()), *(card.rules.notes if card.rules else ())),
    )
    if not asked.measured or condition != "finished":
        return content
    from learned_envs.report.found import with_measurements

    try:
        return with_measurements(content, card, asked)
    except LearnedEnvsError as error:
        lacks = f"Nothing was measured anew on held-out data: {error}"
        return replace(content, left_out=(*content.left_out, lacks))


def _condition(card: Card, folder: Path, asked: Asked) -> tuple[Any, str]:
    """Say whether a fit with a checkpoint is finished."""
    if asked.failure is not None:
        return "broken", f"The fit ended with an error: {asked.failure}"
    done = updates_done(folder) if folder.is_dir() else None
    if card.held_out is None:
        planned = (card.fit or {}).get("training", {}).get("updates")
        at = (
            "" if done is None else f" at update {done:,}" + (f" of {planned:,}" if planned else "")
        )
        return "unfinished", (
            f"The training is not finished{at}; {FILE_NAME} holds the best weights so far, which "
            "are not evaluated yet. Go on with `learned-envs fit ... --resume`."
        )
    if not card.held_out.beats_hold:
        return "finished", "Its model is worth nothing: see the verdict."
    return "finished", "The figures are those of the best weights."


def _facts(card: Card, run: str | Path) -> dict[str, str]:
    facts = {
        "environment": card.environment,
        "modelled on": card.modelled_on,
        "weights": str(run) if Path(run).exists() else find_checkpoint(run).name,
        "family": f"{card.family}, {card.members} member{'s' * (card.members > 1)}",
        "options": pairs(card.config),
        "control period": f"{card.spec.dt:g} s",
        "sizes": f"{card.spec.nq} positions, {card.spec.nv} velocities, {card.spec.nu} actions",
    }
    if card.real_steps is not None:
        facts["real steps"] = f"{card.real_steps:,}"
    if card.training is not None:
        facts["best weights"] = (
            f"at update {card.training.update:,}, held-out score {card.training.score:.3g}"
        )
    if card.start:
        facts["started from"] = card.start
    facts["sha256"] = card.sha256
    return facts


def _rules(card: Card) -> dict[str, Any]:
    if card.rules is None:
        if not card.reference:
            return {
                "rules": "exact: this package's own code, which is tested against the real one."
            }
        return {"rules": rules_told(None)}
    outputs = []
    for name, each in card.rules.how().items():
        counts = Counter(each)
        outputs.append(RuleOf(name, len(each), counts["exact"], counts["learned"]))
    return {
        "rules": rules_told(card.rules),
        "outputs": tuple(outputs),
        "learned": dict(card.rules.learned),
    }


def _rounds(card: Card, folder: Path) -> tuple[RoundFigures, ...]:
    names = ("number", "real_steps", "error", "inside", "outside", "gap")
    try:
        history: Any = read_history(folder)
    except CheckpointError:
        history = []
    plain = [{n: getattr(each, n) for n in names} for each in history]
    for figures in () if plain else card.rounds or ():
        gap = gap_of(figures["inside"], figures["outside"])
        plain.append({**{n: figures[n] for n in names[:-1]}, "gap": gap})
    return tuple(RoundFigures(**each) for each in plain)


def _recorded(data: Path) -> int:
    from learned_envs.data.manifest import Manifest

    try:
        return sum(shard.steps for shard in Manifest.read(data).shards)
    except LearnedEnvsError:
        return 0


def _title(card: Card, folder: Path) -> str:
    """Name a fit; robots that were recorded are told apart by their folders."""
    name = _short(card.task)
    own = card.task not in registry.TASKS and folder.is_dir()
    return f"{name} in {folder.resolve().name}" if own else name


def _short(task: str) -> str:
    """Return a task's name without what its environment is made with."""
    return task.partition("?")[0].rpartition(":")[2]


def _now() -> str:
    return datetime.now(UTC).isoformat(" ", "seconds").removesuffix("+00:00")
