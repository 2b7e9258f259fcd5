"""The commands that let a model travel: `pack` and `push`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class Pack:
    """Pack a model into one file, which `checkpoint=` takes; it holds a README too."""

    run_or_id: Annotated[Positional[str], arg(metavar="RUN")]
    """A fit's folder, a checkpoint, or the name or id of a task with shipped weights."""
    out: Annotated[Positional[Path], arg(metavar="FILE")]
    """The file to write, such as mine.learnedenv."""

    def run(self) -> None:
        """Write it."""
        from learned_envs.sharing import pack

        path = pack(self.run_or_id, self.out)
        print(f"wrote {path}: {path.stat().st_size:,} bytes")
        print(f'gym.make("LearnedSim-v0", checkpoint="{path}")')


@dataclass(frozen=True)
class Push:
    """Push a model to the Hugging Face Hub; needs the extra `hub` and a token that may write."""

    run_or_id: Annotated[Positional[str], arg(metavar="RUN")]
    """A fit's folder, a checkpoint, or the name or id of a task with shipped weights."""
    repository: Annotated[Positional[str], arg(metavar="USER/NAME")]
    """The repository; it is made if there is none."""
    private: bool = False
    """Make a new repository for its owner alone."""
    revision: Annotated[str | None, arg(metavar="BRANCH")] = None
    """The branch, which is made if there is none. If not given: the main one."""
    interrupted = "Give the same command again; a commit is taken whole or not at all."

    def run(self) -> None:
        """Push it."""
        from learned_envs.sharing import push

        pushed = push(self.run_or_id, self.repository, private=self.private, revision=self.revision)
        print(f"pushed {', '.join(pushed.files)} to {pushed.url}")
        print(f'gym.make("LearnedSim-v0", checkpoint="{pushed.name}")')
        print(f"this commit: {pushed.pinned}")
