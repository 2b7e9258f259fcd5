"""Episodes on their way into a dataset: written as they come, and added all at once.

So a recording of any length needs little memory, and its processes hand on files.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from learned_envs import files
from learned_envs.data.dataset import Dataset
from learned_envs.data.folder import PARTS
from learned_envs.data.lock import writing
from learned_envs.data.recording import Episode
from learned_envs.errors import OutputError
from learned_envs.systems.spec import SystemSpec

PART_STEPS = 30_000
"""Steps that are kept in memory before they are written."""


class Parts:
    """Writes episodes into files of a dataset of its own, whenever there are many.

    Attributes:
        dataset: what is written so far.
        steps: steps of all episodes so far, written or not.
    """

    def __init__(self, folder: Path, task: str, spec: SystemSpec) -> None:
        """Begin.

        Args:
            folder: where to.
            task: name of the task.
            spec: its system.

        Raises:
            OutputError: if nothing can be written there.
        """
        self._made = folder, task, spec
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget all episodes so far."""
        folder, *_ = self._made
        with files.writing(folder):
            if folder.exists():
                shutil.rmtree(folder)
        self.dataset = Dataset.create(*self._made)
        self.steps, self._waiting = 0, list[Episode]()

    def add(self, episode: Episode) -> None:
        """Take an episode; `Dataset.append` says what is refused."""
        self._waiting.append(episode)
        self.steps += len(episode.rewards)
        if self.steps - self.dataset.steps >= PART_STEPS:
            self.write()

    def write(self) -> None:
        """Write what waits."""
        if self._waiting:
            self.dataset.append(self._waiting)
            self._waiting = []


@contextmanager
def folder_of_parts(path: Path) -> Iterator[Path]:
    """Make a folder for parts in a dataset's, and remove it in the end.

    Those that killed processes left there are removed too.

    Raises:
        OutputError: if it cannot be made.
    """
    with ExitStack() as stack:
        with writing(path), files.writing(path):
            for old in path.glob(f"{PARTS}*"):
                # Whoever lives holds its lock.
                with suppress(OutputError), writing(old, wait=0.0):
                    shutil.rmtree(old, ignore_errors=True)
            folder = Path(mkdtemp(prefix=PARTS, dir=path))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            stack.enter_context(writing(folder))
        yield folder
