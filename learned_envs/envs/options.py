"""The options that the faces of a simulation share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import torch
from gymnasium.vector import AutoresetMode
from msgspec import UnsetType

from learned_envs import registry
from learned_envs.card import Card, read_card
from learned_envs.envs.argument import is_number, numbers
from learned_envs.errors import ParameterError, ShapeError
from learned_envs.simulation import Simulation
from learned_envs.state import State


@dataclass(frozen=True, kw_only=True)
class EnvOptions:
    """How episodes are to run; see `LearnedVectorEnv` for each option.

    Attributes:
        parameters: the reference environment's own constructor parameters.
    """

    checkpoint: str | Path | None = None
    device: str | torch.device = "cpu"
    compile: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    ensemble: Literal["member", "mean"] = "member"
    max_disagreement: float | Literal["auto"] | None = "auto"
    disagreement_penalty: float = 0.0
    disagreement_in_info: bool = False
    max_episode_steps: int | None = None
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP
    starts: State | None = None
    start_fraction: float = 0.0
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what needs no model.

        Raises:
            ParameterError: if an option is out of range.
        """
        if self.ensemble not in ("member", "mean"):
            raise ParameterError(
                f"Got ensemble={self.ensemble!r}, expected 'member' (one member an episode) or "
                "'mean'."
            )
        if self.precision not in ("float32", "bfloat16"):
            raise ParameterError(
                f"Got precision={self.precision!r}, expected 'float32' or 'bfloat16'."
            )
        penalty, asked, fraction = (
            self.disagreement_penalty,
            self.max_disagreement,
            self.start_fraction,
        )
        if not (is_number(penalty) and 0 <= penalty < math.inf):
            raise ParameterError(
                f"Got disagreement_penalty={penalty!r}, expected a finite number that is not "
                "negative."
            )
        if asked not in ("auto", None) and not (is_number(asked) and asked > 0):
            raise ParameterError(
                f"Got max_disagreement={asked!r}, expected 'auto' (the checkpoint's own "
                "threshold), a positive number, or None for no limit."
            )
        if not (is_number(fraction) and 0 <= fraction <= 1):
            raise ParameterError(f"Got start_fraction={fraction!r}, expected a number in [0, 1].")
        if self.starts is None and fraction > 0:
            raise ParameterError(
                f"Got start_fraction={fraction} without starts. Pass a State of q (n, nq) and "
                "v (n, nv), such as states of a dataset."
            )
        if self.autoreset_mode not in (*AutoresetMode, *(mode.value for mode in AutoresetMode)):
            known = ", ".join(repr(known.value) for known in AutoresetMode)
            raise ParameterError(
                f"Got autoreset_mode={self.autoreset_mode!r}, expected an AutoresetMode or one of "
                f"{known}."
            )

    @classmethod
    def of(cls, **keywords: Any) -> EnvOptions:
        """Take options by name, and the rest as parameters of the reference environment."""
        names = {own.name for own in fields(cls)} - {"parameters"}
        own = {name: keywords[name] for name in keywords.keys() & names}
        rest = {name: value for name, value in keywords.items() if name not in names}
        return cls(**own, parameters=rest)

    @property
    def mode(self) -> AutoresetMode:
        """When an episode that has ended begins anew."""
        return AutoresetMode(self.autoreset_mode)

    @property
    def limit(self) -> int | None:
        """After how many steps episodes are truncated; None for never."""
        return None if self.max_episode_steps == -1 else self.max_episode_steps

    def load(self, task: str) -> Simulation:
        """Load the simulation of a task that they ask for, uncompiled.

        Raises:
            CheckpointError: if the weights cannot be read, or are of another task.
            ParameterError: if a parameter of the reference environment is unknown.
            DeviceError: if there is no such device.
        """
        # An id and not the bare name, which a folder of the user's is likelier to have.
        checkpoint = registry.env_id(task) if self.checkpoint is None else self.checkpoint
        read_card(checkpoint, task)
        simulation = Simulation.load(checkpoint, self.device, **self.parameters)
        return simulation.to_bfloat16() if self.precision == "bfloat16" else simulation

    def threshold(self, card: Card) -> float | None:
        """Return the disagreement past which an episode is truncated; None for never."""
        if self.max_disagreement != "auto":
            return None if self.max_disagreement is None else float(self.max_disagreement)
        stored = card.disagreement_threshold
        return None if isinstance(stored, UnsetType) else stored

    def starts_in(self, simulation: Simulation) -> State | None:
        """Return the states to begin episodes from, on the simulation's device.

        Raises:
            ParameterError: if they are no State, or not finite.
            ShapeError: if they are not q (n, nq) and v (n, nv) with n > 0.
        """
        state = self.starts
        if state is None:
            return None
        if not isinstance(state, State):
            raise ParameterError(f"Got starts of type {type(state).__name__}, expected a State.")
        spec, like, count = simulation.task.spec, simulation.dynamics.q_low, len(state.q)
        if count == 0:
            raise ShapeError("Got starts without a single state, expected at least one.")
        q = numbers("starts.q", state.q.detach(), (count, spec.nq), like)
        v = numbers("starts.v", state.v.detach(), (count, spec.nv), like)
        # An episode has a member, and memories of a model, of its own.
        kept = state.forget("member", *simulation.dynamics.remembers).memory
        return State(q, v, {name: leaf.to(like.device) for name, leaf in kept.items()})
