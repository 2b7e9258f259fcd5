"""What "module:attribute" names, which is imported only if it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

from learned_envs import argument
from learned_envs.errors import UnknownNameError


def load(entry_point: str) -> Any:
    """Import what "module:attribute" names; the attribute may have dots.

    Raises:
        UnknownNameError: if the module lacks it, or there is no such module.
    """
    module, _, path = entry_point.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        # If the module exists and lacks another one, that error says more.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise UnknownNameError("module", module, ()) from error
    for attribute in path.split("."):
        if not hasattr(found, attribute):
            public = [name for name in vars(found) if not name.startswith("_")]
            raise UnknownNameError(f"attribute of {module}", path, public)
        found = getattr(found, attribute)
    return found


def entry_point_of(thing: str | type) -> str:
    """Return the "module:Class" of a class, or what is one already."""
    argument.instance("entry_point", thing, str, type)
    return thing if isinstance(thing, str) else f"{thing.__module__}:{thing.__qualname__}"
