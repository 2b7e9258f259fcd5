"""Attributes and methods of each of many environments, as Gymnasium's vector environments give."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from learned_envs.envs.core import EnvCore
from learned_envs.envs.placing import placed
from learned_envs.errors import ArgumentTypeError, ParameterError, ShapeError
from learned_envs.state import State, stacked

ROWS = ("state", "is_healthy", "state_vector", "render")
"""What the batch gives with a row for each environment."""


class EachOfMany:
    """`call`, `get_attr` and `set_attr` for environments that are one batch.

    They share most attributes. Those that an environment alone would have to itself, its `state`
    above all, are rows of the batch's. Names that nothing here has are kept for each environment.
    """

    num_envs: int
    state: State
    _core: EnvCore

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of each environment, or get an attribute of each.

        Args:
            name: `set_state`, `state_vector` or `render`; or what `get_attr` takes.
            args: given to each of them; `set_state` takes q (nq) and v (nv), for example.
            kwargs: likewise.

        Returns:
            What each of them gives, (num_envs).

        Raises:
            AttributeError: if there is nothing of that name.
            ParameterError: if it is a method of the batch as a whole.
        """
        _check_name(name)
        if name in self._kept:
            return tuple(x(*args, **kwargs) if callable(x) else x for x in self._kept[name])
        if name in ("observation_space", "action_space"):
            return (getattr(self, f"single_{name}"),) * self.num_envs
        if name == "set_state":
            self.set_each(None, *args, **kwargs)
            return (None,) * self.num_envs
        value = getattr(self, name)
        if name in ROWS:
            rows = value(*args, **kwargs) if callable(value) else value
            # A window shows one environment and gives nothing.
            return tuple(None if rows is None else rows[index] for index in range(self.num_envs))
        if callable(value):
            raise ParameterError(
                f"Got call({name!r}), expected an attribute, or one of 'set_state', "
                "'state_vector' and 'render': the environments are one batch. Call it on that: "
                "`envs.unwrapped`, or for SB3 `vec_env.unwrapped.envs`."
            )
        return (value,) * self.num_envs

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of each environment, (num_envs).

        Raises:
            AttributeError: if there is none of that name.
        """
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of each environment.

        Args:
            name: `state`, a name of your own, or an attribute that they share.
            values: a list or tuple of one for each environment, or one for all.

        Raises:
            ShapeError: if there are not as many values as environments.
            ParameterError: if an attribute that they share gets different values.
            AttributeError: if it cannot be set.
        """
        _check_name(name)
        several = isinstance(values, (list, tuple))
        each = list(values) if several else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise ShapeError(f"Got {len(each)} values, expected {self.num_envs}, one for each env.")
        if name == "state" and not all(isinstance(value, State) for value in each):
            raise ArgumentTypeError("Got a state that is none, expected a State for each env.")
        if name == "state":
            self.state = stacked(each)
        elif name in self._kept or not (name in vars(self) or hasattr(type(self), name)):
            self._kept[name] = each
        elif all(value is each[0] or np.array_equal(value, each[0]) for value in each):
            setattr(self, name, each[0])
        else:
            raise ParameterError(
                f"Got different values of {name!r}, expected one for all: the environments are "
                "one batch and share it."
            )

    @property
    def _kept(self) -> dict[str, Sequence[Any]]:
        """What users set by names of their own, for each environment."""
        kept: dict[str, Sequence[Any]] = self.__dict__.setdefault("_kept_values", {})
        return kept

    def set_each(self, mask: Any, q: Any, v: Any = None) -> None:
        """Move those of a mask, or all if None, to one state: q (nq) and v (nv), or a State.

        The errors are those of `set_state`.
        """
        one = placed(self.state[0], q, v, self._core.members)
        if not isinstance(q, State):
            one = State(one.q, one.v)
        every = one.map(lambda x: x.expand(self.num_envs, *x.shape))
        if isinstance(q, State):
            self.set_state(every, mask=mask)
        else:
            self.set_state(every.q, every.v, mask)

    @abstractmethod
    def set_state(self, q: Any, v: Any = None, mask: Any = None) -> None:
        """Move the systems."""


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise ArgumentTypeError(f"Got a name of type {type(name).__name__}, expected a string.")
