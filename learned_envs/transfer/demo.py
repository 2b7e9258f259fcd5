"""The demonstration: an agent that was trained inside the learned Hopper runs in the real one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from learned_envs import argument
from learned_envs.errors import OutputError, RenderError
from learned_envs.sb3.learning_curve import LearningCurve
from learned_envs.transfer.picture import film_transfer, plot_transfer
from learned_envs.transfer.scoring import Transfer, score
from learned_envs.transfer.training import train_inside

TASK = "Hopper"

DEMO_STEPS = 1_000_000
"""Steps inside after which an agent is good; they take as long as a demonstration may."""


@dataclass(frozen=True)
class DemoResult:
    """What a demonstration leaves.

    Attributes:
        transfer: the agent's returns and the speeds of both environments.
        plot: path of a PNG of the learning curve and the returns.
        gif: path of a film of both systems; None if nothing can be drawn.
        agent: the folder of the agent.
        notes: one line for each thing that this machine could not do.
    """

    transfer: Transfer
    plot: Path
    gif: Path | None
    agent: Path
    notes: list[str]

    def table(self) -> Table:
        """Lay the figures out for a terminal."""
        return self.transfer.table()


def run_demo(
    out: Path,
    steps: int = DEMO_STEPS,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> DemoResult:
    """Train PPO inside the learned Hopper, score it inside and outside, and draw both systems.

    Args:
        out: the folder for the plot, the GIF and the agent; earlier ones are replaced.
        steps: environment steps to train for, rounded up to whole rounds of learning.
        seed: decides everything that is drawn.
        checkpoint: a checkpoint or a fit's folder; the shipped weights if None.
        on_progress: called with the steps taken so far, about once a second while training.

    Raises:
        ParameterError: if there are no steps to take.
        OutputError: if `out` cannot be written to.
        CheckpointError: if the checkpoint cannot be read.
    """
    argument.count("steps", steps)
    plot, gif, folder = out / "transfer.png", out / "hopper.gif", out / "agent"
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        # Whether the folder can be written to should be known before minutes of training.
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise OutputError(f"Cannot write to {out}: {error}. Choose another folder.") from error
    curve = LearningCurve(on_progress)
    try:
        agent = train_inside(TASK, steps, seed, checkpoint, callback=curve)
    except BaseException:
        if new:
            shutil.rmtree(out, ignore_errors=True)
        raise
    agent.save(folder)
    transfer = score(agent, TASK, seed, checkpoint)
    notes = []
    try:
        title = f"PPO trained for {steps:,} steps inside the learned {TASK}"
        plot_transfer(plot, title, curve.points, transfer)
        film_transfer(gif, agent, TASK, seed, checkpoint)
    except RenderError as error:
        notes.append(f"No GIF: {error}")
        gif.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot write to {out}: {error}. Free space.") from error
    return DemoResult(transfer, plot, gif if gif.exists() else None, folder, notes)
