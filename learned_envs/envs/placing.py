"""Moving the systems of an environment to states that a user gives."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from learned_envs.arrays import numbers
from learned_envs.errors import ParameterError
from learned_envs.state import State


def placed(state: State, q: object, v: object, members: int) -> State:
    """Return `state` moved elsewhere.

    Args:
        state: of the shape (*batch, .) that q and v must have.
        q: positions, (*batch, nq), numpy or torch. Then what the state remembers, its member above
            all, stays. Or a `State`: what that remembers comes along.
        v: velocities, (*batch, nv); None beside a `State`.
        members: how many models the ensemble has.

    Raises:
        ShapeError: if something has another shape.
        ParameterError: if it is not numeric or not finite, or if the state remembers what `state`
            does not.
    """
    if isinstance(q, State):
        if v is not None:
            raise ParameterError("Got a State and v, expected a State alone, or q and v.")
        moved = placed(state, q.q, q.v, members)
        return replace(moved, memory={**state.memory, **_remembered(state, q, members)})
    return State(
        numbers("q", q, tuple(state.q.shape), state.q).clone(),
        numbers("v", v, tuple(state.v.shape), state.v).clone(),
        state.memory,
    )


def _remembered(state: State, given: State, members: int) -> dict[str, Tensor]:
    """Return the memory that a user gave, checked against that of a state of the environment."""
    if unknown := sorted(given.memory.keys() - state.memory.keys()):
        raise ParameterError(
            f"Got a state that remembers {', '.join(unknown)}, expected at most "
            f"{', '.join(state.memory) or 'nothing'}, as in states of this environment."
        )
    memory = {}
    for name, leaf in given.memory.items():
        own = state.memory[name]
        exact = own if own.is_floating_point() else own.double()
        checked = numbers(name, leaf, tuple(own.shape), exact)
        memory[name] = checked.to(own.dtype, copy=True)
        known = (checked >= 0) & (checked < members) & (checked == memory[name])
        if name == "member" and not known.all():
            raise ParameterError(
                f"Got member={checked.tolist()}, expected whole numbers from 0 to {members - 1}."
            )
    return memory
