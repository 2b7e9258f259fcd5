"""Tensors within dataclasses and mappings, as a list and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor


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
