"""One state of a system, and what several quantities need of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from itertools import count
from typing import Any, TypeVar

from torch import Tensor, nn

from learned_envs.errors import ParameterError
from learned_envs.kinematics.table import Leaves
from learned_envs.kinematics.tree import Tree

V = TypeVar("V")


class Instant:
    """One state, or a batch of states. What is computed of it is computed once.

    Attributes:
        q: (*batch, nq).
        v: (*batch, nv).
        leaves: what belongs to the state beside them.
    """

    def __init__(
        self,
        tree: Tree,
        q: Tensor,
        v: Tensor,
        ctrl: Tensor | None,
        act: Tensor | None,
        leaves: Leaves,
    ) -> None:
        self._tree, self._ctrl, self._act = tree, ctrl, act
        self._known: dict[Any, Any] = {}
        self.q, self.v, self.leaves = q, v, leaves

    @property
    def ctrl(self) -> Tensor:
        """The controls, (*batch, nu), as they were handed to the physics.

        Raises:
            ParameterError: if they were not given.
        """
        if self._ctrl is None:
            raise ParameterError("Got no ctrl, expected the controls: a quantity depends on them.")
        return self._ctrl

    @property
    def act(self) -> Tensor:
        """The activations, (*batch, na).

        Raises:
            ParameterError: if they were not given.
        """
        if self._act is None:
            raise ParameterError("Got no act, expected activations: a quantity depends on them.")
        return self._act

    def once(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return what `make` makes, or what it made for the same key."""
        if key not in self._known:
            self._known[key] = make()
        found: V = self._known[key]
        return found

    @property
    def frames(self) -> Tensor:
        """World transforms of the links, (*batch, nlink, 4, 4)."""
        return self.once("frames", lambda: self._tree.frames(self.q, self.leaves))

    @property
    def quaternions(self) -> Tensor:
        """Quaternions of the links as matrices, (*batch, nlink, 4, 4)."""
        return self.once("quaternions", lambda: self._tree.quaternions(self.q, self.leaves))

    @property
    def pivots(self) -> Tensor:
        """The points at which velocities of trees are taken, (*batch, nroot, 3)."""
        return self.once("pivots", lambda: self._tree.pivots(self.frames))

    @property
    def screws(self) -> Tensor:
        """How each degree of freedom moves its tree's pivot, (*batch, ndof, 6)."""
        return self.once("screws", lambda: self._tree.screws(self.frames, self.pivots))

    @property
    def twists(self) -> Tensor:
        """Velocities (angular, linear) of the links at their trees' pivots, (*batch, nlink, 6)."""
        return self.once("twists", self._twists)

    def _twists(self) -> Tensor:
        v = self.v.index_select(-1, self._tree.dof_v).unsqueeze(-1)
        return self._tree.carries @ (self.screws * v)


class Part(nn.Module):
    """Constants, and functions of an instant that need them.

    A number tells parts from each other: torch.compile follows it, and no identity of objects.
    """

    _numbers = count()

    def __init__(self) -> None:
        super().__init__()
        self.number = next(Part._numbers)


P = TypeVar("P", bound=Part)


def quantity(method: Callable[[P, Instant], V]) -> Callable[[P, Instant], V]:
    """Let a part's function of an instant be computed once for each instant."""
    name = method.__name__

    @wraps(method)
    def computed(self: P, at: Instant) -> V:
        return at.once((self.number, name), lambda: method(self, at))

    return computed
