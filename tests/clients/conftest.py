"""Libraries that are not ours, and train or record in our environments as they are."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import learned_envs  # noqa: F401


@pytest.fixture
def client() -> Callable[..., ModuleType]:
    """`client(module)`: a library of the extra `clients`; its test is skipped where it is missing.

    With LEARNED_ENVS_CLIENTS in the environment, as after `pip install ".[clients]"`, it must be
    there. `pinned` is why a library cannot be in the extra.
    """

    def client(module: str, pinned: str | None = None) -> ModuleType:
        if pinned is None and os.environ.get("LEARNED_ENVS_CLIENTS"):
            return importlib.import_module(module)
        return pytest.importorskip(module, reason=pinned or "install the extra `clients`")

    return client


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for what a client leaves behind, which is the working directory too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path
