"""Cards as other versions, and users, leave them."""

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from learned_envs.card import checksum


def stored(path: Path) -> dict[str, Any]:
    """Return the card of a checkpoint as it stands in the file."""
    with safe_open(path, framework="numpy") as file:
        card: dict[str, Any] = json.loads(file.metadata()["card"])
    return card


def rewrite(path: Path, **changes: Any) -> None:
    """Change a checkpoint's card, and its checksum so that it agrees; None takes a key away."""
    changed = {**stored(path), **changes}
    plain = {key: value for key, value in changed.items() if value is not None}
    text = json.dumps({**plain, "checksum": checksum(plain)}, sort_keys=True)
    save_file(load_file(path), path, {"card": text})
