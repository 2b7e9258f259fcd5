"""Which modules an environment's step runs, and the replacing of what they hold."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType, ModuleType
from typing import Any

LIBRARIES = (
    *("numpy", "scipy", "torch", "mujoco", "jax", "learned_envs", "glfw", "imageio", "matplotlib"),
    *("dm_control.mujoco", "dm_control.rl", "dm_env"),
)
"""Whose modules stay as they are, as Python's own do."""


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
    packages = {name.partition(".")[0] for name in names} - {"gymnasium"}
    names |= {name for name in list(sys.modules) if name.partition(".")[0] in packages}
    kept = [name for name in sorted(names) if not library(name)]
    return [module for name in kept if isinstance(module := sys.modules.get(name), ModuleType)]


@contextlib.contextmanager
def globals_kept(names: Iterable[str]) -> Iterator[None]:
    """Let the globals of modules be what they were, when the block ends."""
    before = [(vars(sys.modules[name]), dict(vars(sys.modules[name]))) for name in names]
    try:
        yield
    finally:
        for content, kept in before:
            content.update(kept)


def library(name: str) -> bool:
    """Whether a module is one of a library that stays as it is."""
    if name.partition(".")[0] in sys.stdlib_module_names:
        return True
    return any(name == x or name.startswith(f"{x}.") for x in LIBRARIES)


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
    modules = list(modules)
    before = [dict(vars(module)) for module in modules]
    classes: list[tuple[type, str, Any]] = []
    try:
        for module in modules:
            content = vars(module)
            for name, value in list(content.items()):
                if id(value) in table and not name.startswith("__"):
                    content[name] = table[id(value)]
                elif (stands := constant(value)) is not value:
                    content[name] = stands
                elif isinstance(value, type) and value.__module__ == module.__name__:
                    for key, each in list(vars(value).items()):
                        if (stands := constant(each)) is not each:
                            classes.append((value, key, each))
                            setattr(value, key, stands)
            content.update({name: value for name, value in names.items() if name not in content})
        yield
    finally:
        for kind, name, value in classes:
            setattr(kind, name, value)
        for module, content in zip(modules, before, strict=True):
            # What was imported meanwhile stays.
            for name in names.keys() - content.keys():
                vars(module).pop(name, None)
            vars(module).update(content)
