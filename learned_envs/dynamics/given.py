"""What a model is given beside q and v: the action, and leaves that the motion depends on.

An actuator's activation, a mass that a reset drew and the pose of a mocap body are such leaves of
the state. They are given as they are before a step. The task advances them; see
`Dynamics.computes`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from learned_envs.batches import expect_leaves
from learned_envs.state import State
from learned_envs.systems.spec import SystemSpec


def seen_size(spec: SystemSpec) -> int:
    """Return how many numbers the leaves have that motion depends on."""
    return sum(leaf.size for leaf in spec.leaves if leaf.seen)


def given_by(spec: SystemSpec, state: State, action: Tensor) -> Tensor:
    """Return the action, and behind it the leaves that motion depends on, (*batch, nu + size).

    Args:
        spec: says which these are.
        state: has them in its memory, (*batch, n) each.
        action: (*batch, nu).

    Raises:
        ParameterError: if the state lacks one.
    """
    seen = [leaf for leaf in spec.leaves if leaf.seen]
    if not seen:
        return action
    expect_leaves(state, seen)
    parts = [action, *(state.memory[leaf.name].to(action.dtype) for leaf in seen)]
    # Members of an ensemble may share the one and have the other apart.
    batch = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))  # type: ignore[no-untyped-call]
    return torch.cat([part.expand(*batch, -1) for part in parts], -1)
