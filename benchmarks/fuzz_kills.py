"""Fits and collections that are killed at random moments, and writers that share a dataset."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from fuzz_datasets import differs, episode
from fuzz_work import EQUAL, FAULT, Kind, Verdict

from learned_envs.card import read_card
from learned_envs.checkpoint import load_checkpoint
from learned_envs.data.dataset import MANIFEST, Dataset
from learned_envs.data.recording import Recording
from learned_envs.fit.folder import CONFIG_FILE

TASK = "InvertedPendulum"

KILLS = 2
"""Kills of one fit or collection, at random moments of its time."""

COMMAND = """
import sys
import learned_envs.fit.run, learned_envs.sb3, learned_envs.collect.collection
from learned_envs.cli import main
from learned_envs.fit import training
training.SAVE_SECONDS = 0.05  # A small fit is over before the first save otherwise.
print("ready", flush=True)
if __name__ == "__main__":
    sys.exit(main())
"""

WRITER = """
import sys
from learned_envs.data.dataset import Dataset
sys.path.insert(0, sys.argv[1])
from fuzz_datasets import episode
dataset = Dataset.open(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for seed in map(int, sys.argv[3:]):
    dataset.append([episode(dataset.spec, 3, seed)], {"seed": seed})
    print(seed, flush=True)
"""

FIT = [
    *("fit", TASK, "--steps", "1500", "--learners", "0", "--device", "cpu", "--updates", "120"),
    *("--check-every", "20", "--batch-size", "16", "--members", "2", "--horizons", "1", "2"),
    *("--option", "hidden=8,8", "--no-report"),
]
COLLECT = ["collect", TASK, "--steps", "12000", "--learners", "0", "--seed", "3"]


@dataclass(frozen=True)
class Alone:
    """What a fit and a collection that nobody killed left, and how long each took."""

    script: Path
    weights: str
    fitting: float
    recording: Recording
    collecting: float


def prepare(folder: Path) -> Alone:
    """Run both to their ends."""
    script = folder / "command.py"
    script.write_text(COMMAND)
    begin = time.monotonic()
    end(begun(script, [*FIT, "--out", str(folder / "fit")]))
    between = time.monotonic()
    end(begun(script, [*COLLECT, "--out", str(folder / "collected")]))
    return Alone(
        script,
        load_checkpoint(folder / "fit")[1]["sha256"],
        between - begin,
        Dataset.open(folder / "collected").load(),
        time.monotonic() - between,
    )


def begun(script: Path, words: list[str]) -> subprocess.Popen[str]:
    """Start a command, and wait until it has imported what it needs."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, str(script), *words], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def end(process: subprocess.Popen[str]) -> str:
    """Wait for a command; return what it complained of, if it failed."""
    _, complaint = process.communicate()
    return complaint if process.returncode else ""


def killed_fits(random: Random, alone: Alone, folder: Path) -> Verdict:
    """Kill a fit, and go on with it."""
    out = folder / "fit"

    def words() -> list[str]:
        going = (out / CONFIG_FILE).exists()
        return ["fit", TASK, "--out", str(out), "--resume"] if going else [*FIT, "--out", str(out)]

    said, complaint = kill(random, alone, words, alone.fitting)
    if complaint:
        return FAULT, f"{said}: {complaint}"
    same = load_checkpoint(out)[1]["sha256"] == alone.weights
    return (EQUAL, said) if same else (FAULT, f"{said}: other weights")


def killed_collections(random: Random, alone: Alone, folder: Path) -> Verdict:
    """Kill a collection, and give the same command again."""
    out = folder / "collected"
    said, complaint = kill(random, alone, lambda: [*COLLECT, "--out", str(out)], alone.collecting)
    if complaint:
        return FAULT, f"{said}: {complaint}"
    other = differs(Dataset.open(out).load(), alone.recording)
    return (FAULT, f"{said}: other {other}") if other else (EQUAL, said)


def kill(
    random: Random, alone: Alone, words: Callable[[], list[str]], seconds: float
) -> tuple[str, str]:
    """Kill a command a few times and let it end then.

    Returns:
        When it was killed, and what it complained of in the end.
    """
    moments = []
    for _ in range(KILLS):
        process = begun(alone.script, words())
        moment = random.uniform(0, seconds / KILLS)
        time.sleep(moment)
        process.kill()
        process.communicate()
        moments.append(f"{moment:.2f} s")
    return f"killed after {', '.join(moments)}", end(begun(alone.script, words()))


def nothing(folder: Path) -> None:
    """Prepare nothing."""


def writers(random: Random, shared: None, folder: Path) -> Verdict:
    """Let two processes append to one dataset, and kill one of them now and then."""
    path = folder / "data"
    Dataset.create(path, TASK, read_card(TASK).spec)
    script = folder / "writer.py"
    script.write_text(WRITER)
    here = str(Path(__file__).parent)
    shares = [[str(100 * each + index) for index in range(8)] for each in (1, 2)]
    processes = [begun(script, [here, str(path), *share]) for share in shares]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    stopped = random.random() < 0.5
    if stopped:
        time.sleep(random.uniform(0, 0.2))
        processes[0].kill()
    told, complaints = [], []
    for process in processes:
        out, complaint = process.communicate()
        told += [int(word) for word in out.split()]
        if process.returncode not in (0, -9):
            complaints.append(complaint)
    if complaints:
        return FAULT, f"a writer failed: {complaints[0][-300:]}"
    held = [int(seed) for seed in Dataset.open(path).load().seeds]
    if lost := sorted(set(told) - set(held)):
        return FAULT, f"what was said to be written is lost: {lost}"
    # The one that was killed may have written one more before it could say so.
    if len(held) - len(set(held)) or len(set(held) - set(told)) > int(stopped):
        return FAULT, f"held {sorted(held)}, told {sorted(told)}"
    dataset = Dataset.open(path)
    dataset.append([episode(dataset.spec, 2, 999)])
    whole = (path / MANIFEST).exists() and dataset.load().steps == 3 * len(held) + 2
    return (EQUAL, "one killed" if stopped else "both to the end") if whole else (FAULT, "broken")


KILLED = (
    Kind("killed fits", prepare, killed_fits, 300),
    Kind("killed collections", prepare, killed_collections, 300),
    Kind("two writers", nothing, writers, 300),
)
