"""Names of real environments that no task is registered for.

A name says all that is needed to make the environment, in another process too:

- an id of Gymnasium, whose module may stand before it: `Ant-v5`, `my_robot:MyRobot-v0`;
- an id and keyword arguments, as JSON: `Ant-v5?frame_skip=4&xml_file="longer.xml"`;
- a file of MuJoCo's, MJCF or URDF: `robot.xml`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

import gymnasium as gym

from learned_envs.errors import ParameterError

BARE = "learned_envs.systems.bare:BareMujoco-v0"
"""The environment of a file: q and v are seen, and nothing is paid."""

FILES = (".xml", ".mjcf", ".urdf")
"""How names of MuJoCo's files end."""

IS_ID = re.compile(r"([\w.]+:)?([\w:-]+/)?[\w:.-]+-v\d+")


@dataclass(frozen=True)
class ReferenceName:
    """A real environment, and how it is made.

    Attributes:
        reference_id: its id, with its module if it was given.
        kwargs: keyword arguments that `gym.make` makes it with.
    """

    reference_id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> ReferenceName | None:
        """Read a name; None if it is no name of an environment.

        Raises:
            ParameterError: if its keyword arguments cannot be read.
        """
        base, mark, query = text.partition("?")
        base, kwargs = unquote(base), _read_query(query, text) if mark else {}
        if base.lower().endswith(FILES):
            return cls(BARE, {"xml_file": _anchored(base), **kwargs})
        return cls(base, kwargs) if IS_ID.fullmatch(base) else None

    def __str__(self) -> str:
        """Return the name in its one canonical form, which `read` reads."""
        base, kwargs = self.reference_id, dict(self.kwargs)
        if base == BARE:
            base = quote(kwargs.pop("xml_file"))
        told = {name: json.dumps(kwargs[name]) for name in sorted(kwargs)}
        return f"{base}?{urlencode(told)}" if told else base

    @property
    def short(self) -> str:
        """A name for an id of Gymnasium's; two environments have two."""
        stem = self.reference_id.rpartition(":")[2]
        if self.reference_id == BARE:
            stem = Path(self.kwargs["xml_file"]).stem
        digest = hashlib.sha256(str(self).encode()).hexdigest()[:8]
        return f"{re.sub(r'[^A-Za-z0-9_]+', '.', stem)}.{digest}"

    def with_kwargs(self, kwargs: Mapping[str, Any]) -> ReferenceName:
        """Return the environment that further keyword arguments make.

        Text that names a file that exists becomes its whole path, because environments look for
        files elsewhere than where the user is.
        """
        found = {n: _anchored(v) if isinstance(v, str) else v for n, v in kwargs.items()}
        return ReferenceName(self.reference_id, {**self.kwargs, **found})

    def spec(self) -> gym.envs.registration.EnvSpec:
        """Return what Gymnasium knows of the environment, after its module was imported.

        Raises:
            ParameterError: if there is no such module or file, or nobody registers the id.
        """
        file = self.kwargs.get("xml_file")
        if self.reference_id == BARE and not Path(str(file)).is_file():
            raise ParameterError(f"There is no file {file}. Give the path of an MJCF or a URDF.")
        module, _, name = self.reference_id.rpartition(":")
        try:
            if module:
                importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ParameterError(
                f"{self.reference_id} needs the module {error.name!r}, which is not installed "
                "here. Install it, or run where it lies."
            ) from error
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise ParameterError(
                f"The module {module!r} cannot be imported: {last.filename}:{last.lineno} raises "
                f"{type(error).__name__}: {error}. Mend it there."
            ) from error
        try:
            return gym.spec(name)
        except gym.error.Error as error:
            if module:
                raise ParameterError(
                    f"There is no environment {name!r}: the module {module!r} does not register "
                    f"it ({error}). Give an id that it registers."
                ) from error
            raise ParameterError(
                f"There is no environment {name!r}: no imported module registers it ({error}). "
                "Give the module that does before the id, as in my_robot:MyRobot-v0."
            ) from error


def read_keywords(texts: tuple[str, ...]) -> dict[str, Any]:
    """Read NAME=VALUE for each text; a value is JSON, or else text.

    >>> read_keywords(("xml_file=longer.xml", "frame_skip=4", "healthy_z_range=[0.2, 1.0]"))
    {'xml_file': 'longer.xml', 'frame_skip': 4, 'healthy_z_range': [0.2, 1.0]}

    Raises:
        ParameterError: if a text is of another form.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.isidentifier() and equals):
            raise ParameterError(f"Got {text!r}, expected NAME=VALUE, such as frame_skip=4.")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    for candidate in (text, text.lower()):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return text


def _read_query(query: str, text: str) -> dict[str, Any]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        return {name: _value(value) for name, value in pairs}
    except ValueError as error:
        raise ParameterError(
            f"Got {text!r}, whose keyword arguments cannot be read ({error}). Expected a name such "
            "as Ant-v5?frame_skip=4."
        ) from error


def _anchored(path: str) -> str:
    return str(Path(path).resolve()) if Path(path).is_file() else path
