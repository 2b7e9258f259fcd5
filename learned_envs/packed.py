"""A model in one file: a zip of its weights and of a page about it, such as `mine.learnedenv`.

The zip holds two members and may hold no others. Neither is code, and nothing of it is run. What is
read is checked before: how long a member is, what it is called, and its checksum.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

from learned_envs.errors import CheckpointError, OutputError
from learned_envs.files import DAMAGED_ZIP, LONGEST_WEIGHTS, write_whole

SUFFIX = ".learnedenv"
"""What the name of a packed model ends in."""

WEIGHTS = "model.safetensors"
PAGE = "README.md"

LONGEST = {WEIGHTS: LONGEST_WEIGHTS, PAGE: 2**20}
"""The members, and how many bytes each may have; a page has some thousands."""

MOST_SHRUNK = 100
"""How many times smaller a member may be than what it holds: weights shrink by a third."""

DATE = (1980, 1, 1, 0, 0, 0)
"""Of every member, so that the same model makes the same file."""


def pack_files(path: Path, weights: bytes, page: str) -> None:
    """Write a packed model, whole or not at all.

    Raises:
        OutputError: if it cannot be written, or if its name does not end in `SUFFIX`.
    """
    if path.suffix != SUFFIX:
        raise OutputError(
            f"Got {path} to pack a model into, expected a name that ends in {SUFFIX}."
        )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in ((WEIGHTS, weights), (PAGE, page.encode())):
            member = zipfile.ZipInfo(name, DATE)
            member.external_attr = 0o644 << 16
            archive.writestr(member, data, zipfile.ZIP_DEFLATED)
    write_whole(path, stream.getvalue())


def unpacked(path: Path) -> Path:
    """Return the file of weights of a packed model, which is put into the user's cache.

    Raises:
        CheckpointError: if the file is damaged, or is none that `learned-envs pack` wrote.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = _checked(path, archive.infolist())
            with archive.open(member) as stream:
                # One byte more than it says, so that zipfile comes to its end and compares sums.
                data = stream.read(member.file_size + 1)
    except CheckpointError:
        raise
    except DAMAGED_ZIP as error:
        raise _unreadable(path, str(error) or type(error).__name__) from error
    if len(data) != member.file_size:
        raise _unreadable(path, f"{member.filename} is shorter than it says")
    return _kept(data)


def _checked(path: Path, members: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    """Return the member that holds the weights.

    Raises:
        CheckpointError: if it is missing or too long, or if there is anything else.
    """
    names = [member.filename for member in members]
    if odd := [name for name in names if name not in LONGEST]:
        raise _unreadable(path, f"it holds {odd[0]!r:.200}, expected {WEIGHTS} and {PAGE} alone")
    if len({*names}) < len(names):
        raise _unreadable(path, "it holds two members of one name")
    for member in members:
        most, told = LONGEST[member.filename], member.file_size
        if told > most or told > MOST_SHRUNK * max(member.compress_size, 1):
            raise _unreadable(
                path,
                f"{member.filename} has {told:,} bytes, packed in {member.compress_size:,}; "
                f"expected at most {most:,}, and at most {MOST_SHRUNK} times as many as packed",
            )
        if member.flag_bits & 1:
            raise _unreadable(path, f"{member.filename} is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _unreadable(path, f"{member.filename} is neither stored nor deflated")
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise _unreadable(path, f"{member.filename} is a link or a folder, no file")
    if WEIGHTS not in names:
        raise _unreadable(path, f"it holds no {WEIGHTS}")
    return members[names.index(WEIGHTS)]


def _kept(data: bytes) -> Path:
    """Keep weights in a file that is named by what they are, and return it."""
    name = f"{hashlib.sha256(data).hexdigest()}.safetensors"
    error: OSError | None = None
    for folder in (user_cache_path("learned_envs", appauthor=False) / "unpacked", _passing()):
        file = folder / name
        try:
            if not (file.is_file() and file.read_bytes() == data):
                _write(file, data)
        # The user's cache may be full, or not to be written to.
        except OSError as failed:
            error = failed
            continue
        return file
    raise OutputError(f"Cannot unpack a model: {error}. Free space.") from error


def _write(file: Path, data: bytes) -> None:
    """Write a file, whole or not at all, while other processes may do the same."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        Path(unfinished).replace(file)
    finally:
        with suppress(OSError):
            Path(unfinished).unlink(missing_ok=True)


@cache
def _folder_of_process() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="learned_envs-")


def _passing() -> Path:
    """Return a folder that goes when the process ends."""
    return Path(_folder_of_process().name)


def _unreadable(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is not a readable packed model: {why}. Expected a {SUFFIX} file that "
        "`learned-envs pack` wrote; copy or pack it again."
    )
