"""What makes a real environment, digested: so that a change of it is noticed, and named."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np

from learned_envs.entry_point import load
from learned_envs.registry import task_entry
from learned_envs.systems.locate import locate
from learned_envs.systems.reference import make_reference
from learned_envs.task_entry import TRACED

INSTALLED = (
    *(Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")),
    Path(__file__).resolve().parents[1],
)
"""Where packages of others lie, and this one, which may be installed to be edited."""


def code_of(task: str) -> dict[str, str]:
    """Return digests of what makes a traced task's environment; it is made for that.

    The environment of a registered task is no part of the task, and has none.

    Returns:
        What it is, in words -> its digest.
    """
    if task_entry(task).entry_point != TRACED:
        return {}
    return {**sources_of(task), "its MuJoCo model": _model(task)}


def sources_of(task: str) -> dict[str, str]:
    """Return digests of a traced task's arguments and modules; nothing is made for that.

    The modules are those of its class and the classes that this one extends. If they are no
    installed package's, those that lie beside them and that they import belong to them. Arguments
    that name files stand for what is in these.
    """
    entry = task_entry(task)
    if entry.entry_point != TRACED:
        return {}
    spec = gym.spec(entry.reference_id.rpartition(":")[2])
    made = spec.entry_point
    kind = load(made) if isinstance(made, str) else made
    arguments = (sorted(spec.kwargs.items(), key=str), sorted(entry.kwargs.items()))
    found = {"its arguments": _digest(repr(arguments).encode())}
    for name, value in entry.kwargs.items():
        if isinstance(value, str) and Path(value).is_file():
            found[f"the file of {name}"] = _digest(Path(value).read_bytes())
    classes = getattr(kind, "__mro__", (kind, object))[:-1]
    waiting = [base.__module__ for base in classes]
    while waiting:
        name = waiting.pop(0)
        told = f"the module {name}"
        if told in found or name.partition(".")[0] in sys.stdlib_module_names:
            continue
        module = sys.modules.get(name)
        source = _source(module, next((c for c in classes if c.__module__ == name), None))
        found[told] = _digest(source)
        if module is not None and (folder := _own_folder(module)) is not None:
            waiting += [x for x in _imported(module, source) if _beside(x, folder)]
    return found


def _source(module: ModuleType | None, kind: Any) -> bytes:
    """Return the text of a module; of a class of it, if it has no file, as in a notebook."""
    try:
        return Path(getattr(module, "__file__", None) or "").read_bytes()
    except OSError:
        pass
    try:
        return inspect.getsource(kind).encode()
    except (OSError, TypeError):
        return repr(kind).encode()


def _own_folder(module: ModuleType) -> Path | None:
    """Return where the modules lie that belong to a module; None if it is installed."""
    top = sys.modules.get(module.__name__.partition(".")[0], module)
    file = getattr(top, "__file__", None)
    if file is None:
        return None
    folder = Path(file).resolve().parent
    return None if any(folder.is_relative_to(x) for x in INSTALLED) else folder


def _beside(name: str, folder: Path) -> bool:
    """Whether a module was imported, and from a file in a folder or below."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(folder)


def _imported(module: ModuleType, source: bytes) -> Iterator[str]:
    """Yield the names of the modules that a module's text imports, wherever in it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(name, module.__package__)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _model(task: str) -> str:
    """Return a digest of a model's constants, without those that are drawn when it is made."""
    one, other = _constants(task), _constants(task)
    same = [name for name in one if np.array_equal(one[name], other[name])]
    return _digest(b"".join(name.encode() + one[name].tobytes() for name in same))


def _constants(task: str) -> dict[str, np.ndarray[Any, Any]]:
    with closing(make_reference(task, disable_env_checker=True)) as env:
        model = locate(env)[0]
        parts: tuple[Any, ...] = (model, model.opt)
        return {
            f"{type(part).__name__}.{name}": np.array(value)
            for part in parts
            for name in dir(part)
            if not name.startswith("_")
            and isinstance(value := getattr(part, name), np.ndarray | np.generic | float | int)
        }


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
