"""The state of a batch of systems, and functions for all tensors of such a tree.

A tree is a tensor, a mapping of names to trees, or a dataclass with trees in its fields. Other
values in it are kept as they are. [`spec`][learned_envs.systems.spec] says what q and v are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

Tree = TypeVar("Tree")


@dataclass(frozen=True)
class State:
    """A batch of systems at one moment, and what else goes with it from step to step.

    Attributes:
        q: positions, (*batch, nq), metres and radians.
        v: velocities, (*batch, nv), metres and radians per second.
        memory: further leaves by name. `member`, (*batch) int64, says which member of an ensemble
            steps the state; without it, the members' mean does. What a model remembers,
            activations of actuators and constants of an episode are (*batch, n) each. Whoever
            does not compute a leaf hands it on.

    Examples:
        >>> from learned_envs import State
        >>> state = State(q=torch.zeros(5, 3), v=torch.ones(5, 2))
        >>> state[:2].v.shape
        torch.Size([2, 2])
    """

    q: Tensor
    v: Tensor
    memory: Mapping[str, Tensor] = field(default_factory=dict)

    def map(self, function: Callable[[Tensor], Tensor]) -> State:
        """Apply `function` to every tensor of the state."""
        return mapped(function, self)

    def __getitem__(self, index: Any) -> State:
        """Select along the batch as a tensor does: by an index, a slice or a mask."""
        return self.map(lambda tensor: tensor[index])

    def where(self, mask: Tensor, other: State) -> State:
        """Take this state where `mask` (*batch) is true and `other` elsewhere.

        A leaf of the memory that only this state has is taken everywhere.

        Examples:
            >>> one, two = (State(torch.full((3, 1), x), torch.zeros(3, 1)) for x in (1.0, 2.0))
            >>> one.where(torch.tensor([True, False, True]), two).q[:, 0]
            tensor([1., 2., 1.])
        """
        memory = {name: other.memory.get(name, own) for name, own in self.memory.items()}

        def choose(yes: Tensor, no: Tensor) -> Tensor:
            return torch.where(_like(mask, yes), yes, no)

        return mapped(choose, self, replace(other, memory=memory))

    def remember(self, **memory: Tensor) -> State:
        """Return the state with these leaves added to its memory, or replaced in it.

        Examples:
            >>> state = State(torch.zeros(2, 1), torch.zeros(2, 1)).remember(goal=torch.ones(2, 3))
            >>> list(state.memory), list(state.forget("goal").memory)
            (['goal'], [])
        """
        return replace(self, memory={**self.memory, **memory})

    def forget(self, *names: str) -> State:
        """Return the state without these leaves of its memory; it may lack some already."""
        kept = {name: leaf for name, leaf in self.memory.items() if name not in names}
        return replace(self, memory=kept)

    def to(self, *args: Any, **kwargs: Any) -> State:
        """Move q and v as `Tensor.to` would; the memory follows the device, not the dtype."""
        q, v = self.q.to(*args, **kwargs), self.v.to(*args, **kwargs)
        return State(q, v, {name: value.to(q.device) for name, value in self.memory.items()})

    def detach(self) -> State:
        """Cut the state out of the graph that gradients flow through."""
        return self.map(Tensor.detach)


def mapped(function: Callable[..., Tensor], *trees: Tree) -> Tree:
    """Apply `function` to the tensors in the same place of each tree; return a tree of results."""
    tensors = zip(*map(leaves, trees), strict=True)
    made: Tree = rebuilt(trees[0], (function(*each) for each in tensors))
    return made


def stacked(trees: Sequence[Tree], dim: int = 0) -> Tree:
    """Return a tree whose tensors are those of all trees, stacked along a new dimension."""
    return mapped(lambda *tensors: torch.stack(tensors, dim), *trees)


def joined(trees: Sequence[Tree], dim: int = 0) -> Tree:
    """Return a tree whose tensors are those of all trees, one behind the other along `dim`."""
    return mapped(lambda *tensors: torch.cat(tensors, dim), *trees)


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
    """Return the tree with other tensors in place of its own, in the order of `leaves`."""
    if isinstance(tree, Tensor):
        return next(tensors)
    if isinstance(tree, Mapping):
        return {name: rebuilt(branch, tensors) for name, branch in tree.items()}
    if is_dataclass(tree) and not isinstance(tree, type):
        names = [own.name for own in fields(tree)]
        return replace(tree, **{name: rebuilt(getattr(tree, name), tensors) for name in names})
    return tree


def _like(mask: Tensor, tensor: Tensor) -> Tensor:
    """Give a mask (*batch) the dimensions of a tensor (*batch, ...)."""
    return mask.reshape(mask.shape + (1,) * (tensor.ndim - mask.ndim))
