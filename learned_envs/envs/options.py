"""The options that the faces of a simulation share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from msgspec import UnsetType

from learned_envs import argument, arrays, registry
from learned_envs.batches import expect_leaves
from learned_envs.card import Card, read_card
from learned_envs.checkpoint import load_checkpoint
from learned_envs.errors import ParameterError, ShapeError
from learned_envs.location import settled
from learned_envs.simulation import Simulation
from learned_envs.state import State
from learned_envs.stepping import Compile
from learned_envs.tasks.motion import Motion


@dataclass(frozen=True, kw_only=True)
class EnvOptions:
    """How episodes are to run; see `LearnedVectorEnv` for each option.

    Attributes:
        parameters: the reference environment's own constructor parameters.
    """

    checkpoint: str | Path | None = None
    reference: str | None = None
    device: str | torch.device = "cpu"
    compile: Compile = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    ensemble: Literal["member", "mean"] = "member"
    max_disagreement: float | Literal["auto"] | None = "auto"
    disagreement_penalty: float = 0.0
    process_noise: float = 0.0
    disagreement_in_info: bool = False
    readings_in_info: bool = False
    max_episode_steps: int | None = None
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP
    starts: State | None = None
    start_fraction: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what needs no model.

        Raises:
            ParameterError: if an option is out of range.
        """
        if not isinstance(self.checkpoint, (str, Path, NoneType)):
            raise ParameterError(
                f"Got checkpoint={argument.shown(self.checkpoint)}, expected a path, or None for "
                "what is shipped."
            )
        if not (isinstance(self.compile, str) and self.compile == "auto"):
            argument.flag("compile", self.compile)
        argument.choice("precision", self.precision, ("float32", "bfloat16"))
        argument.choice("ensemble", self.ensemble, ("member", "mean"))
        argument.flag("disagreement_in_info", self.disagreement_in_info)
        argument.flag("readings_in_info", self.readings_in_info)
        argument.number("disagreement_penalty", self.disagreement_penalty, 0)
        argument.number("process_noise", self.process_noise, 0)
        self._check_threshold()
        self._check_starts()
        limit = self.max_episode_steps
        if limit is not None and not (isinstance(limit, int) and limit == -1):
            argument.count("max_episode_steps", limit)
        if not isinstance(self.autoreset_mode, AutoresetMode):
            modes = [mode.value for mode in AutoresetMode]
            argument.choice("autoreset_mode", self.autoreset_mode, modes)

    def _check_threshold(self) -> None:
        asked = self.max_disagreement
        if asked is None or (isinstance(asked, str) and asked == "auto"):
            return
        try:
            positive = argument.number("max_disagreement", asked, 0, finite=False) > 0
        except ParameterError:
            positive = False
        if not positive:
            raise ParameterError(
                f"Got max_disagreement={argument.shown(asked)}, expected 'auto' (the checkpoint's "
                "own threshold), a positive number, or None for no limit."
            )

    def _check_starts(self) -> None:
        fraction, starts = self.start_fraction, self.starts
        if fraction is not None:
            argument.number("start_fraction", fraction, 0, 1)
        if starts is None and fraction:
            raise ParameterError(
                f"Got start_fraction={fraction} without starts. Pass a State of q (n, nq) and "
                "v (n, nv), such as states of a dataset."
            )
        if starts is not None and fraction is None:
            raise ParameterError(
                "Got starts without a start_fraction, so no episode would begin there. Pass "
                "start_fraction=1.0 to begin every episode from one of them."
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

    def load(self, task: str | None) -> Simulation:
        """Load the simulation of a task that they ask for, uncompiled.

        Args:
            task: name of the task; None if the checkpoint says what it is.

        Raises:
            CheckpointError: if the weights cannot be read, or are of another task.
            ArgumentTypeError: if a parameter of the reference environment is unknown.
            ParameterError: if one is out of range, if one model alone is asked for disagreement,
                or if a model without networks is asked for their precision.
            DeviceError: if there is no such device.
        """
        checkpoint = self._found(task)
        simulation = Simulation.load(
            checkpoint, self.device, reference=self.reference, **self.parameters
        )
        if isinstance(simulation.task, Motion):
            raise ParameterError(
                f"The rules of {simulation.task.reference_id} could not be traced. Make the "
                "environment with rules='hosted', where its own code is."
            )
        self._check_members(simulation.members)
        if self.readings_in_info:
            if not simulation.task.sensors:
                raise ParameterError(
                    f"Got readings_in_info=True for {simulation.task.reference_id}, of which no "
                    "sensor is learned: all that it shows follows from the state. Leave it out."
                )
            simulation = simulation.with_readings()
        return simulation.to_bfloat16() if self.precision == "bfloat16" else simulation

    def load_motion(self, task: str | None) -> Simulation:
        """Load the model of a task without what is asked there; see `load` for the errors."""
        dynamics, card = load_checkpoint(self._found(task), self.device)
        motion = Motion(spec=dynamics.spec, measured=dynamics.sensors)
        self._check_members(dynamics.members)
        return Simulation(motion, dynamics, card)

    def _found(self, task: str | None) -> str | Path:
        """Return the checkpoint to load, which must be of the task if one is named."""
        checkpoint = self.checkpoint
        if checkpoint is None:
            if task is None:
                raise ParameterError(
                    f"Got no checkpoint, expected one: gym.make({registry.ANY!r}, "
                    "checkpoint='runs/mine')."
                )
            # An id and not the bare name, which a folder of the user's is likelier to have.
            checkpoint = registry.env_id(task)
        checkpoint = settled(checkpoint)
        if self.reference is None:
            read_card(checkpoint, task)
        elif task not in (None, registry.task_of(self.reference)):
            raise ParameterError(
                f"Got reference={self.reference!r} for the environment of {task}. Make "
                f"gym.make({registry.ANY!r}, checkpoint={str(checkpoint)!r}, "
                f"reference={self.reference!r}), whose step limit is the reference's."
            )
        return checkpoint

    def _check_members(self, members: int) -> None:
        """Refuse what one model alone cannot give."""
        asked = {
            "disagreement_penalty": self.disagreement_penalty > 0,
            "max_disagreement": self.max_disagreement not in (None, "auto"),
            "disagreement_in_info": self.disagreement_in_info,
        }
        for name, something in asked.items():
            if members == 1 and something:
                raise ParameterError(
                    f"Got {name}={getattr(self, name)!r} for a model of one member, which cannot "
                    f"disagree with itself. Leave out {name}, or fit with --members 3."
                )

    def to_host(self) -> EnvOptions:
        """Return options that need no device to be read back; see `EnvCore`."""
        return self if self.starts is None else replace(self, starts=self.starts.to("cpu"))

    def threshold(self, card: Card) -> float | None:
        """Return the disagreement past which an episode is truncated; None for never."""
        if self.max_disagreement != "auto":
            return None if self.max_disagreement is None else float(self.max_disagreement)
        stored = card.disagreement_threshold
        return None if isinstance(stored, UnsetType) else stored

    def starts_in(self, simulation: Simulation) -> State | None:
        """Return the states to begin episodes from, on the simulation's device.

        Raises:
            ParameterError: if they are no State, not finite, or without a leaf of the spec.
            ShapeError: if they are not q (n, nq) and v (n, nv) with n > 0.
        """
        state = self.starts
        if state is None:
            return None
        if not isinstance(state, State):
            raise ParameterError(f"Got starts of type {type(state).__name__}, expected a State.")
        spec, like = simulation.task.spec, simulation.dynamics.q_low
        count = len(state.q) if np.ndim(state.q) else 0
        if count == 0:
            raise ShapeError("Got starts without a single state, expected at least one row of q.")
        q = arrays.numbers("starts.q", state.q, (count, spec.nq), like).detach()
        v = arrays.numbers("starts.v", state.v, (count, spec.nv), like).detach()
        # An episode has a member, and memories of a model, of its own.
        dynamics, given = (
            simulation.dynamics,
            state.forget("member", *simulation.dynamics.remembers),
        )
        generator = torch.Generator(like.device).manual_seed(0)
        begun = dynamics.begin(State(q, v), generator).forget("member", *dynamics.remembers)
        leaves = {leaf.name: like.new_zeros(count, leaf.size) for leaf in spec.leaves}
        known = {**leaves, **begun.memory}
        if unknown := sorted(given.memory.keys() - known.keys()):
            raise ParameterError(
                f"Got starts that remember {', '.join(unknown)}, expected at most "
                f"{', '.join(known) or 'nothing'}, which is what these states have beside q and v."
            )
        memory = {
            name: arrays.numbers(f"starts' {name}", leaf, tuple(known[name].shape), known[name])
            for name, leaf in given.memory.items()
        }
        starts = State(q, v, memory)
        expect_leaves(begun.remember(**memory), spec.leaves, "starts")
        return starts
