"""How files get to a disk: whole, or not at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from learned_envs.errors import OutputError


def write_whole(file: Path, data: bytes) -> None:
    """Put a file there whole or not at all.

    Raises:
        OutputError: where it cannot be written; what was there before still is.
    """
    temporary = file.with_name(file.name + ".tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(file)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(
            f"Cannot write {file}: {error}. What was there before is kept; free space or give "
            "another path."
        ) from error
