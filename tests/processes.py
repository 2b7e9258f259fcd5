"""What tests ask of processes."""

from pathlib import Path


def children_of(process: int) -> list[str]:
    """Return the ids of a process's children."""
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def alive(process: str) -> bool:
    """Return whether a process runs.

    If nobody reaps orphans, as in a container, a dead one stays as a zombie.
    """
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
