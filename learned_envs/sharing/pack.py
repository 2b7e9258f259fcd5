"""A fit, packed into one file."""

from __future__ import annotations

from pathlib import Path

from learned_envs import argument
from learned_envs.checkpoint import open_checkpoint
from learned_envs.location import find_checkpoint
from learned_envs.packed import pack_files
from learned_envs.sharing.page import page, spaces_of


def pack(checkpoint: str | Path, out: str | Path) -> Path:
    """Pack a model into one file, which `gym.make("LearnedSim-v0", checkpoint=out)` takes.

    Args:
        checkpoint: a fit's folder, a checkpoint, or the name or id of a task with shipped weights.
        out: the file, whose name ends in ".learnedenv".

    Returns:
        The file.

    Raises:
        CheckpointError: if the checkpoint cannot be read as a whole.
        UnknownNameError: if there is none of that name.
        OutputError: if the file cannot be written; what was there before still is.
    """
    out = argument.path("out", out)
    path = find_checkpoint(checkpoint)
    # What cannot be used here is not handed on.
    card = open_checkpoint(path).card
    pack_files(out, path.read_bytes(), page(card, out.name, spaces_of(str(path), card)))
    return out
