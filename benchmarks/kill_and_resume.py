"""Kill a small fit at random moments, resume it, and compare the weights that it ends with.

Prints one table, and exits with 1 where a fit does not end with the weights of one that was left
alone.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table
from safetensors import SafetensorError, safe_open

from learned_envs.checkpoint import load_checkpoint
from learned_envs.errors import LearnedEnvsError

CHILD = """
import sys
import learned_envs.fit.run, learned_envs.sb3
from learned_envs.cli import main
from learned_envs.fit import training
training.SAVE_SECONDS = 0.05  # A small fit is over long before the first save otherwise.
print("ready", flush=True)
if __name__ == "__main__":
    sys.exit(main())
"""


@dataclass(frozen=True)
class Benchmark:
    """Kill a small fit at random moments and resume it."""

    kills: int = 20
    """How many kills."""
    kills_per_fit: int = 1
    """How often each fit is killed before it is left to end."""
    task: str = "InvertedPendulum"
    """What is fitted."""
    updates: int = 400
    """Gradient steps of a fit."""
    seed: int = 0
    """Seeds the moments."""

    def run(self, folder: Path) -> bool:
        """Print the table; return whether all went well."""
        script = folder / "child.py"
        script.write_text(CHILD)
        began = self._start(script, folder / "alone", resume=False)
        self._end(began)
        duration = time.monotonic() - began.since
        _, card = load_checkpoint(folder / "alone", task=self.task)
        moments = random.Random(self.seed)
        table = Table("fit", "killed after (s)", "found", "resumed to", "weights", title=str(self))
        good = True
        for number in range(-(-self.kills // self.kills_per_fit)):
            out = folder / f"fit-{number}"
            kills = min(self.kills_per_fit, self.kills - number * self.kills_per_fit)
            for _ in range(kills):
                child = self._start(script, out, resume=(out / "fit.json").exists())
                after = moments.uniform(0, duration / kills)
                time.sleep(max(0.0, child.since + after - time.monotonic()))
                child.process.send_signal(signal.SIGKILL)
                child.process.communicate()
                table.add_row(str(number), f"{after:.2f}", found(out), "", "")
            self._end(self._start(script, out, resume=(out / "fit.json").exists()))
            try:
                same = load_checkpoint(out, task=self.task)[1]["sha256"] == card["sha256"]
                verdict = "the same" if same else "DIFFERENT"
            except LearnedEnvsError as error:
                same, verdict = False, str(error)
            good = good and same
            table.add_row(str(number), "", "", found(out), verdict)
        Console(width=140).print(table)
        return good

    def _start(self, script: Path, out: Path, resume: bool) -> Child:
        settings = (
            f"--steps 3000 --learners 0 --device cpu --updates {self.updates} --check-every 25 "
            "--batch-size 32 --members 2 --horizons 2 4 --option hidden=16,16"
        )
        words = ["fit", self.task, "--out", str(out)]
        words += ["--resume"] if resume else settings.split()
        process = subprocess.Popen(
            [sys.executable, str(script), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        return Child(process, time.monotonic())

    def _end(self, child: Child) -> None:
        _, complaint = child.process.communicate()
        if child.process.returncode:
            raise SystemExit(f"A fit failed: {complaint}")


@dataclass(frozen=True)
class Child:
    """A fit that runs, and when it began to."""

    process: subprocess.Popen[str]
    since: float


def found(out: Path) -> str:
    """Say how far the fit in `out` came."""
    if not (out / "fit.json").exists():
        return "nothing"
    try:
        with safe_open(out / "training.safetensors", framework="numpy") as file:
            update = json.loads(file.metadata()["counters"])["update"]
    except (OSError, SafetensorError):
        return "data" if (out / "data" / "manifest.json").exists() else "settings"
    return f"update {update}" + ", evaluated" * (out / "errors.png").exists()


if __name__ == "__main__":
    benchmark = tyro.cli(Benchmark)
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(0 if benchmark.run(Path(temporary)) else 1)
