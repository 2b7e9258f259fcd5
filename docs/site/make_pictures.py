"""Film shipped tasks for their pages: real and learned side by side, under one agent.

python docs/site/make_pictures.py Hopper Ant            # trains the task's own agent inside first
python docs/site/make_pictures.py Hopper --agent demo/agent

It writes docs/pictures/TASK.webp. Training takes minutes for each task.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from PIL import Image, ImageSequence
from sources import ROOT
from task_pages import PICTURES, shipped_tasks

from learned_envs.sb3 import Agent, AgentConfig
from learned_envs.transfer.picture import film_transfer
from learned_envs.transfer.training import train_inside

EVERY = 2
"""Of so many frames one is kept."""

QUALITY = 55
"""Of WebP, to 100."""


def film(agent: Agent, task: str, seed: int) -> Path:
    """Film a task under an agent, write the picture small, and return its path.

    Raises:
        RenderError: if nothing can be drawn here.
    """
    path = ROOT / PICTURES / f"{task}.webp"
    path.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / path.name
        film_transfer(whole, agent, task, seed, None)
        with Image.open(whole) as moving:
            frames, milliseconds = [], []
            for frame in ImageSequence.Iterator(moving):
                frames.append(frame.convert("RGB"))
                milliseconds.append(frame.info["duration"])
    kept = frames[::EVERY]
    kept[0].save(
        path,
        save_all=True,
        append_images=kept[1:],
        duration=[sum(milliseconds[at : at + EVERY]) for at in range(0, len(frames), EVERY)],
        loop=0,
        quality=QUALITY,
        method=6,
    )
    return path


def main() -> int:
    """Film each task, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="+", choices=shipped_tasks())
    parser.add_argument("--agent", type=Path, help="a folder that Agent.save wrote, for one task")
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    if words.agent is not None and len(words.tasks) > 1:
        parser.error("an agent acts in one task: give one")
    for task in words.tasks:
        if words.agent is not None:
            agent = Agent.load(words.agent)
        else:
            agent = train_inside(task, AgentConfig.of(task).steps, words.seed)
        path = film(agent, task, words.seed)
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
