"""The state of a batch of systems, and the tensors of such trees.

`systems/spec.py` says what q and v are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class State:
    """Where a batch of systems is, and what a model remembers of it.

    Attributes:
        q: positions, (*batch, nq), metres and radians.
        v: velocities, (*batch, nv).
        memory: the model's own tensors, each (*batch, ...): an ensemble member, a hidden state.
            A state without memory steps with the ensemble's mean, deterministically.
    """

    q: Tensor
    v: Tensor
    memory: Mapping[str, Tensor] = field(default_factory=dict)

    def map(self, function: Callable[[Tensor], Tensor]) -> State:
        """Apply `function` to every tensor of the state."""
        return State(
            function(self.q),
            function(self.v),
            {name: function(value) for name, value in self.memory.items()},
        )

    def __getitem__(self, index: Any) -> State:
        """Select along the batch, as a tensor would: an index, a slice or a mask."""
        return self.map(lambda tensor: tensor[index])

    def where(self, mask: Tensor, other: State) -> State:
        """Take this state where `mask` (*batch) is true and `other` elsewhere.

        What only this state remembers is taken everywhere.
        """

        def choose(yes: Tensor, no: Tensor) -> Tensor:
            if yes is no:
                return yes
            return torch.where(mask.reshape(mask.shape + (1,) * (yes.ndim - mask.ndim)), yes, no)

        memory = {
            name: choose(value, other.memory.get(name, value))
            for name, value in self.memory.items()
        }
        return State(choose(self.q, other.q), choose(self.v, other.v), memory)

    def remember(self, **memory: Tensor) -> State:
        """Return the state with `memory` added to, or replaced in, what is remembered."""
        return replace(self, memory={**self.memory, **memory})

    def to(self, *args: Any, **kwargs: Any) -> State:
        """Move q and v as `Tensor.to` would; the memory follows the device, not the dtype."""
        q, v = self.q.to(*args, **kwargs), self.v.to(*args, **kwargs)
        return State(q, v, {name: value.to(q.device) for name, value in self.memory.items()})

    def detach(self) -> State:
        """Cut the state out of the graph that gradients flow through."""
        return self.map(Tensor.detach)


def leaves(tree: Any) -> list[Tensor]:
    """List the tensors of a tree, depth first."""
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, Mapping):
        return [leaf for branch in tree.values() for leaf in leaves(branch)]
    if is_dataclass(tree):
        return [leaf for own in fields(tree) for leaf in leaves(getattr(tree, own.name))]
    return []


def rebuilt(tree: Any, tensors: Iterator[Tensor]) -> Any:
    """Return the tree with others in place of its tensors, in the order of `leaves`."""
    if isinstance(tree, Tensor):
        return next(tensors)
    if isinstance(tree, Mapping):
        return {name: rebuilt(branch, tensors) for name, branch in tree.items()}
    if is_dataclass(tree) and not isinstance(tree, type):
        names = [own.name for own in fields(tree)]
        return replace(tree, **{name: rebuilt(getattr(tree, name), tensors) for name in names})
    return tree
