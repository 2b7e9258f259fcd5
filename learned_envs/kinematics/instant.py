"""One state of a system, and what several quantities need of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

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

    def __getitem__(self, quantity: Callable[[Instant], V]) -> V:
        """Return what a quantity is at this instant."""
        if quantity not in self._known:
            self._known[quantity] = quantity(self)
        found: V = self._known[quantity]
        return found

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

    @property
    def frames(self) -> Tensor:
        """World transforms of the links, (*batch, nlink, 4, 4)."""
        return self[Instant._frames]

    @property
    def quaternions(self) -> Tensor:
        """Quaternions of the links as matrices, (*batch, nlink, 4, 4)."""
        return self[Instant._quaternions]

    @property
    def pivots(self) -> Tensor:
        """The points at which velocities of trees are taken, (*batch, nroot, 3)."""
        return self[Instant._pivots]

    @property
    def screws(self) -> Tensor:
        """How each degree of freedom moves its tree's pivot, (*batch, ndof, 6)."""
        return self[Instant._screws]

    @property
    def twists(self) -> Tensor:
        """Velocities (angular, linear) of the links at their trees' pivots, (*batch, nlink, 6)."""
        return self[Instant._twists]

    def _frames(self) -> Tensor:
        return self._tree.frames(self.q, self.leaves)

    def _quaternions(self) -> Tensor:
        return self._tree.quaternions(self.q, self.leaves)

    def _pivots(self) -> Tensor:
        return self._tree.pivots(self.frames)

    def _screws(self) -> Tensor:
        return self._tree.screws(self.frames, self.pivots)

    def _twists(self) -> Tensor:
        v = self.v.index_select(-1, self._tree.dof_v).unsqueeze(-1)
        return self._tree.carries @ (self.screws * v)
