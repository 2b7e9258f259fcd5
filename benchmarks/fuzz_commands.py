"""Odd command lines: each ends with exit code 0, or with one line that says what is wrong."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random

from fuzz_datasets import recorded
from fuzz_work import FAULT, REFUSED, WORKS, Kind, Verdict, judged

from learned_envs.checkpoint import load_checkpoint
from learned_envs.cli import main
from learned_envs.data.dataset import Dataset
from learned_envs.fit import FitConfig, TrainingConfig, fit

WORDS = (
    *("", " ", "-1", "0", "1", "2.5", "-0", "nan", "inf", "-inf", "1e400", "1e-400", "0x10", "abc"),
    *("x" * 300, "../up", "/dev/null", "/dev/full", "/proc/none/x", ".", "é", "[/red]", "{}", "[]"),
    *("1,2", "0,0", "a=", "=1", "hidden=0,0", "hidden=x", "substeps=0", "substeps=1000000"),
    *(
        "hidden=1e9",
        "None",
        "True",
        "none",
        "shipped",
        "Hopper",
        "Walker",
        "second_order",
        "--",
        "-h",
    ),
    *("99999999999999999999", "hidden=99999999999,4", "members=3", "--no-such-option"),
)
"""What may be typed by mistake."""

LONG = ("--updates", "--steps", "--trajectories", "--learners", "--agent-steps")
"""Options whose large values only take long."""

SECRET = ("Traceback", "Error: '", "<class")
"""What a message for a user does not hold."""


def prepare(folder: Path) -> list[list[str]]:
    """List command lines that work; the data and the fit in them are made once."""
    whole = recorded(folder)
    run = folder / "run"
    training = TrainingConfig(
        members=1, updates=2, batch_size=2, horizons=(1,), check_every=1, held_out=0.3
    )
    config = FitConfig(data=str(whole.path), options={"hidden": (4, 4)}, training=training)
    fit(whole.task, run, config, device="cpu")
    data = str(whole.path)
    small = ["--updates", "2", "--batch-size", "2", "--horizons", "1", "--members", "2"]
    fitting = ["fit", whole.task, "second_order", "--data", data, "--device", "cpu", "--out", "new"]
    return [
        ["list"],
        ["info", str(run)],
        ["info", whole.task],
        ["evaluate", str(run), "--data", data, "--trajectories", "2", "--plot", "p.png"],
        [*fitting, *small, "--held-out", "0.3", "--option", "hidden=4,4"],
        [*fitting, *small, "--held-out", "0.3", "--learning-rate", "1e-3", "--seed", "1"],
        [*fitting, *small, "--held-out", "0.3", "--from", str(run), "--patience", "3"],
        ["fit", whole.task, "--out", str(run), "--resume"],
        *(
            ["collect", whole.task, "--out", "new", "--steps", "12", "--learners", "0", *more]
            for more in (["--seed", "3"], ["--agent", "agent.zip"], ["--planners", "0"])
        ),
        ["collect", whole.task, "--out", data, "--steps", "12", "--learners", "0", "--add"],
        ["export-minari", data, "--out", "exported"],
    ]


def mutated(words: list[str], random: Random) -> list[str]:
    """Change a command line in a place or two."""
    words = list(words)
    for _ in range(random.choice((1, 1, 2))):
        place = random.randrange(1, len(words) + 1)
        values = [i + 1 for i, word in enumerate(words[:-1]) if word.startswith("--")]
        if values and random.random() < 0.6:
            # Most of the others are no more than bad usage.
            place = random.choice(values)
            words[place] = typed(random, words[place - 1])
            continue
        match random.choice(("odd", "odd", "odd", "drop", "twice", "add", "swap")):
            case "odd" if place < len(words):
                words[place] = typed(random, words[place - 1])
            case "drop" if place < len(words):
                del words[place]
            case "twice" if place < len(words):
                words.insert(place, words[place])
            case "swap" if place < len(words):
                words[place - 1], words[place] = words[place], words[place - 1]
            case _:
                words.insert(place, typed(random, words[place - 1]))
    return words


def typed(random: Random, before: str) -> str:
    """Draw a word, but no large number where that would only take long."""
    while True:
        word = random.choice(WORDS)
        if not (before in LONG and word.startswith("999")):
            return word


def commands(random: Random, shared: list[list[str]], folder: Path) -> Verdict:
    """Run a command in this process."""
    words = mutated(random.choice(shared), random)
    data = Path(shared[3][3])
    before = Dataset.open(data).digest
    said = f"learned-envs {' '.join(word[:40] or repr(word) for word in words)}"
    os.chdir(folder)
    out, complaint = io.StringIO(), io.StringIO()

    def act() -> Verdict:
        with redirect_stdout(out), redirect_stderr(complaint):
            try:
                code: object = main(words)
            except SystemExit as stopped:
                code = stopped.code
        return verdict_of(words, code, out.getvalue(), complaint.getvalue())

    verdict, more = judged(act, said)
    if "collect" not in words and Dataset.open(data).digest != before:
        return FAULT, f"{said}: the data that was given has changed"
    return verdict, more if more.startswith(said) else f"{said}: {more}"


def verdict_of(words: list[str], code: object, out: str, complaint: str) -> Verdict:
    """Judge how a command ended."""
    if any(word in out + complaint for word in SECRET):
        return FAULT, f"it speaks of code: {' '.join((out + complaint).split())[:300]}"
    # Bars of progress may stand before what is said.
    lines = [line for line in complaint.splitlines() if line.strip() and "%" not in line]
    if code in (0, None):
        if words[0] == "fit" and (Path("new") / "model.safetensors").exists():
            load_checkpoint("new")
        return WORKS, ""
    if code == 2 and (complaint.strip() or out.strip()):
        return REFUSED, "usage"
    if code == 1 and len(lines) == 1 and lines[0].startswith("learned-envs: "):
        if words[0] == "collect" and Path("new").exists() and not any(Path("new").iterdir()):
            return FAULT, "it failed and left an empty folder"
        return REFUSED, lines[0]
    return FAULT, f"it ended with {code} and {len(lines)} lines: {' '.join(lines)[:300]}"


COMMANDS = (Kind("commands", prepare, commands),)
