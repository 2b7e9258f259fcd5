"""Which modules an environment's step runs, and the replacing of what they hold."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType, ModuleType
from typing import Any

LIBRARIES = (
    *("numpy", "scipy", "torch", "mujoco", "jax", "learned_envs", "glfw", "imageio", "matplotlib"),
    *("threading", "abc", "typing", "copy", "collections", "functools", "contextlib", "enum"),
    *("dm_control.mujoco", "dm_control.rl", "dm_env"),
    *("dataclasses", "logging", "warnings", "importlib", "_weakrefset", "weakref", "pathlib"),
)
"""Whose modules stay as they are."""


def modules_of(run: Callable[[], Any], also: Iterable[str] = ()) -> list[ModuleType]:
    """Return the modules whose Python code runs, and all that belong to the same packages.

    Args:
        run: what is run, once.
        also: names of further modules.
    """
    names = set(also)

    def seen(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            names.add(frame.f_globals.get("__name__", ""))

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        run()
    finally:
        sys.setprofile(before)
    packages = {name.partition(".")[0] for name in names} - {"gymnasium", "builtins"}
    names |= {name for name in list(sys.modules) if name.partition(".")[0] in packages}
    kept = [name for name in sorted(names) if not library(name)]
    return [module for name in kept if isinstance(module := sys.modules.get(name), ModuleType)]


def library(name: str) -> bool:
    """Whether a module is one of a library that stays as it is."""
    return name == "builtins" or any(name == x or name.startswith(f"{x}.") for x in LIBRARIES)


@contextlib.contextmanager
def replaced(
    modules: Iterable[ModuleType],
    table: dict[int, Any],
    names: dict[str, Any],
    constant: Callable[[Any], Any],
) -> Iterator[None]:
    """Replace what globals of modules hold, until the block ends.

    Args:
        modules: in which.
        table: id of an object -> what stands for it.
        names: of Python's built-in functions -> what stands for them.
        constant: from a value to what stands for it, in modules and in classes.
    """
    undo: list[tuple[dict[str, Any], str, Any]] = []
    classes: list[tuple[type, str, Any]] = []
    missing = object()
    try:
        for module in modules:
            content = vars(module)
            for name, value in list(content.items()):
                if id(value) in table and not name.startswith("__"):
                    undo.append((content, name, value))
                    content[name] = table[id(value)]
                elif (stands := constant(value)) is not value:
                    undo.append((content, name, value))
                    content[name] = stands
                elif isinstance(value, type) and value.__module__ == module.__name__:
                    for key, each in list(vars(value).items()):
                        if (stands := constant(each)) is not each:
                            classes.append((value, key, each))
                            setattr(value, key, stands)
            for name, value in names.items():
                if name not in content:
                    undo.append((content, name, missing))
                    content[name] = value
        yield
    finally:
        for kind, name, value in reversed(classes):
            setattr(kind, name, value)
        for content, name, value in reversed(undo):
            if value is missing:
                content.pop(name, None)
            else:
                content[name] = value
