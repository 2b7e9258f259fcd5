"""What lies in a dataset's folder, by name."""

from learned_envs.data.lock import LOCK
from learned_envs.files import UNFINISHED

MANIFEST = "manifest.json"
SHARD, SUFFIX = "shard-", ".safetensors"
"""What the names of files of episodes begin and end with; between them is a number."""
PARTS = "parts-"
"""What the names of folders begin with that hold what is not in the manifest yet."""


def shard_name(number: int) -> str:
    """Return what the file of a shard is called.

    >>> shard_name(7)
    'shard-00007.safetensors'
    """
    return f"{SHARD}{number:05d}{SUFFIX}"


def shard_number(name: str) -> int:
    """Return the number in the name of a shard's file."""
    return int(name.removeprefix(SHARD).removesuffix(SUFFIX))


def is_ours(name: str) -> bool:
    """Whether it is a shard or the manifest, whole or half written, a lock, or what parts left."""
    name = name.removesuffix(UNFINISHED)
    shard = name.startswith(SHARD) and name.endswith(SUFFIX)
    return name in (MANIFEST, LOCK) or shard or name.startswith(PARTS)
