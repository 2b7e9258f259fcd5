"""What a simulation is given, checked and brought to its dtype: states and actions in batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from learned_envs.arrays import numbers
from learned_envs.errors import ActionError, ArgumentTypeError, ParameterError, ShapeError
from learned_envs.state import State
from learned_envs.systems.spec import Leaf

Shape = tuple[int, ...]


def expect_leaves(state: State, leaves: Iterable[Leaf], what: str = "a state") -> None:
    """Check that a state remembers leaves of its system.

    Args:
        state: with a memory.
        leaves: what it must have in it.
        what: what messages call the state.

    Raises:
        ParameterError: if it lacks one.
    """
    if missing := [leaf for leaf in leaves if leaf.name not in state.memory]:
        named = ", ".join(f"{leaf.name} (*batch, {leaf.size})" for leaf in missing)
        raise ParameterError(
            f"Got {what} without {named}, which states of this system have beside q and v. "
            "Recorded states have it, and what resets and steps make of such; or add it: "
            f"state.remember(**{{{missing[0].name!r}: ...}})."
        )


@dataclass(frozen=True)
class BatchCheck:
    """Checks batches for one model.

    On a GPU no value is looked at, because it would have to be waited for. What is not finite
    there diverges, or is paid in NaN.

    Attributes:
        nq: size of q.
        nv: size of v.
        nu: size of an action.
        members: how many models the ensemble has; None for any number.
        like: a tensor of the model.
        leaves: what states have in their memory, by the spec.
    """

    nq: int
    nv: int
    nu: int
    members: int | None
    like: Tensor
    leaves: tuple[Leaf, ...] = ()

    def state(self, state: object) -> State:
        """Return a state, q (*batch, nq) and v (*batch, nv), in the model's dtype.

        Raises:
            ArgumentTypeError: if it is no `State`.
            ShapeError: if a tensor does not fit, or the batch is empty.
            ParameterError: if one is not numeric or not finite, if there is no such member, or a
                leaf of the spec is missing.
        """
        if not isinstance(state, State):
            raise ArgumentTypeError(
                f"Got a state of type {type(state).__name__}, expected a State."
            )
        batch = tuple(getattr(state.q, "shape", ()))[:-1]
        if 0 in batch:
            raise ShapeError(f"Got a batch of shape {batch}, expected at least one state.")
        looked_at = self._looked_at
        q = numbers("state.q", state.q, (*batch, self.nq), self.like, finite=looked_at)
        v = numbers("state.v", state.v, (*batch, self.nv), self.like, finite=looked_at)
        for name, leaf in state.memory.items():
            self._check_memory(name, leaf, batch)
        expect_leaves(state, self.leaves)
        memory = dict(state.memory)
        for own in self.leaves:
            given, shape = memory[own.name], (*batch, own.size)
            memory[own.name] = numbers(own.name, given, shape, self.like, finite=looked_at)
        return State(q, v, memory)

    def action(self, action: object, batch: Shape) -> Tensor:
        """Return actions, (*batch, nu), in the model's dtype.

        Raises:
            ActionError: if they are not numeric or not finite.
            ShapeError: if they have another shape.
        """
        shape = (*batch, self.nu)
        return numbers("actions", action, shape, self.like, ActionError, self._looked_at)

    def actions(self, actions: object, batch: Shape) -> Tensor:
        """Return sequences of actions, (batch, time, nu), in the model's dtype; see `action`."""
        shape = tuple(getattr(actions, "shape", ()))
        if len(shape) != 3 or shape[1] == 0 or len(batch) != 1:
            raise ShapeError(
                f"Got actions of shape {shape} for states of the batch {batch}, expected (batch, "
                "time, nu) for a batch with one dimension, and a time of at least 1."
            )
        return self.action(actions, (*batch, shape[1]))

    def generator(self, generator: object) -> None:
        """Check a source of randomness.

        Raises:
            ParameterError: if it is none, or of another device than the model's.
        """
        if generator is None:
            return
        if not isinstance(generator, torch.Generator):
            raise ArgumentTypeError(
                f"Got a generator of type {type(generator).__name__}, expected a torch.Generator."
            )
        if generator.device.type != self.like.device.type:
            raise ParameterError(
                f"Got a generator on {generator.device}, expected one on {self.like.device}: make "
                f"it by torch.Generator({str(self.like.device)!r})."
            )

    @property
    def _looked_at(self) -> bool:
        return self.like.device.type == "cpu"

    def _check_memory(self, name: str, leaf: object, batch: Shape) -> None:
        alone = name == "member"
        if not isinstance(leaf, Tensor):
            raise ArgumentTypeError(
                f"Got a state that remembers {name} as {type(leaf).__name__}, expected a tensor."
            )
        fits = leaf.shape == batch if alone else leaf.shape[: len(batch)] == batch < leaf.shape
        if not fits:
            wanted = batch if alone else (*batch, "n")
            raise ShapeError(f"Got {name} of shape {tuple(leaf.shape)}, expected {wanted}.")
        if leaf.device != self.like.device:
            raise ParameterError(
                f"Got {name} on {leaf.device}, expected {self.like.device}: move the state there "
                "by its method `to`."
            )
        if not alone:
            return
        if leaf.dtype is not torch.int64:
            raise ParameterError(f"Got {name} of type {leaf.dtype}, expected torch.int64.")
        if self._looked_at and self.members is not None:
            low, high = (int(bound) for bound in leaf.aminmax())
            if low < 0 or high >= self.members:
                raise ParameterError(
                    f"Got members from {low} to {high}, expected from 0 to {self.members - 1}."
                )
