"""An SB3 agent as a policy: how it acts, and how it is kept."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Space
from stable_baselines3.common.base_class import BaseAlgorithm

from learned_envs import argument
from learned_envs.errors import CheckpointError, ParameterError, ShapeError
from learned_envs.files import write_folder
from learned_envs.sb3.agent_file import read_agent, to_bytes
from learned_envs.sb3.archive import ARCHIVE, STATISTICS, read_archive
from learned_envs.sb3.normalisation import Array, Normalisation

AGENT_FILE = "agent.safetensors"
"""The name of the file in an agent's folder."""


class Agent:
    """An SB3 model and the statistics that normalise what it observes: a policy.

    Attributes:
        model: SB3's algorithm.
        normalisation: None if it observes as it is.
    """

    def __init__(self, model: BaseAlgorithm, normalisation: Normalisation | None = None) -> None:
        """Take a model.

        Raises:
            ParameterError: if it does not observe and act in vectors, or the statistics are of
                other observations.
        """
        for kind, space in (("observe", model.observation_space), ("act", model.action_space)):
            if not isinstance(space, Box) or len(space.shape) != 1:
                raise ParameterError(f"Got an agent that can {kind} in {space}, expected Box(n).")
        observed = model.observation_space.shape
        if normalisation is not None and np.shape(normalisation.mean) != observed:
            raise ParameterError(
                f"Got statistics of observations of the shape {np.shape(normalisation.mean)}, and "
                f"an agent that observes {observed}. Give it the statistics that it learned with."
            )
        self.model = model
        self.normalisation = normalisation

    def __call__(self, observation: Array) -> Array:
        """Act deterministically on observations (n) or (batch, n).

        Raises:
            ShapeError: if they have another size than those that the agent knows.
        """
        expected = self.model.observation_space.shape
        if np.shape(observation)[-1:] != expected:
            raise ShapeError(
                f"Got observations of the shape {np.shape(observation)}, expected {expected} for "
                "each. The agent learned in another environment."
            )
        if self.normalisation is not None:
            observation = self.normalisation(observation)
        return self.model.predict(observation, deterministic=True)[0]

    def check_spaces(self, observation_space: Space[Any], action_space: Space[Any]) -> None:
        """Refuse an environment of other spaces than the agent's.

        Raises:
            ParameterError: if shapes, bounds or dtypes differ.
        """
        differences = [
            *_differences("observations", self.model.observation_space, observation_space),
            *_differences("actions", self.model.action_space, action_space),
        ]
        if differences:
            raise ParameterError(
                f"This agent learned in another environment: {'; '.join(differences)}. Use an "
                "agent that learned with the task's own spaces."
            )

    def save(self, folder: str | Path) -> None:
        """Write the agent into `folder`; an agent that was there is replaced.

        The file holds no code: parameters, the optimizers' states, settings as plain values, and
        the statistics. For SB3's own zip, without the statistics, use `agent.model.save(path)`.

        Raises:
            ParameterError: if it is not finite, or of a kind that is not stored: PPO, SAC and TD3
                are, with an MlpPolicy and settings that are plain values.
            OutputError: if it cannot be written.
        """
        # What an earlier version left would be of another agent.
        earlier = dict.fromkeys((ARCHIVE, STATISTICS))
        home = argument.path("folder", folder)
        content = to_bytes(self.model, self.normalisation)
        write_folder(home, {AGENT_FILE: content, **earlier})

    @classmethod
    def load(cls, path: str | Path) -> Agent:
        """Read a folder that `save` wrote, or the zip of an SB3 agent: PPO, SAC or TD3.

        What `save` wrote is data, and nothing of it is run. SB3's zips hold pickles, which can run
        any code: load only those that you trust. A zip that lies in a folder is not loaded unless
        `path` names it.

        Raises:
            CheckpointError: if there is no agent, or one that cannot be read.
        """
        path = argument.path("path", path)
        file = _find(path)
        try:
            # Whatever its name says, a file of a folder may be a zip that somebody put there.
            archive = file == path and zipfile.is_zipfile(file)
            return cls(*(read_archive if archive else read_agent)(file))
        except ParameterError as error:
            raise CheckpointError(f"{path} is not an agent that can be used. {error}") from error


@dataclass(frozen=True)
class SavedAgent:
    """A policy that loads its agent when it is first called, so that processes can be sent it.

    Attributes:
        path: what `Agent.load` reads.
    """

    path: Path

    @property
    def name(self) -> str:
        """Name it by its file's, and by what that holds, so that no other has the same name.

        Raises:
            CheckpointError: if there is no agent.
        """
        content = _find(self.path).read_bytes()
        return f"{self.path.stem}-{hashlib.sha256(content).hexdigest()[:8]}"

    def __call__(self, observation: Array) -> Array:
        """Act on observations (n) or (batch, n)."""
        return self._agent(observation)

    def check_spaces(self, observation_space: Space[Any], action_space: Space[Any]) -> None:
        """Load the agent, and refuse an environment of other spaces.

        Raises:
            CheckpointError: if there is no agent, or one that cannot be read.
            ParameterError: if shapes, bounds or dtypes differ.
        """
        try:
            self._agent.check_spaces(observation_space, action_space)
        except ParameterError as error:
            raise ParameterError(f"{self.path}: {error}") from error

    def __reduce__(self) -> tuple[type[SavedAgent], tuple[Path]]:
        """Send the path alone to another process."""
        return SavedAgent, (self.path,)

    @cached_property
    def _agent(self) -> Agent:
        return Agent.load(self.path)


def _find(path: Path) -> Path:
    """Return the file that holds the agent of a path."""
    if path.is_file():
        return path
    if (path / AGENT_FILE).is_file():
        return path / AGENT_FILE
    if (path / ARCHIVE).is_file():
        raise CheckpointError(
            f"{path} holds an {ARCHIVE} of an earlier version. It can run code when it is loaded, "
            "so it is not read from a folder. If you trust it, write it anew: "
            f"Agent.load({str(path / ARCHIVE)!r}).save({str(path)!r})"
        )
    hint = f" Did you mean {path / 'agent'}?" if (path / "agent" / AGENT_FILE).is_file() else ""
    raise CheckpointError(
        f"There is no agent at {path}.{hint} Expected a folder with {AGENT_FILE}, or the zip of an "
        "SB3 agent."
    )


def _differences(what: str, own: Space[Any], other: Space[Any]) -> list[str]:
    """Say how two spaces differ; nothing if they are equal."""
    if not (isinstance(own, Box) and isinstance(other, Box)):
        return [] if own == other else [f"its {what} are {own}, those here are {other}"]
    if own.shape != other.shape:
        return [f"its {what} have the shape {own.shape}, those here {other.shape}"]
    said = []
    if not (np.array_equal(own.low, other.low) and np.array_equal(own.high, other.high)):
        ours, theirs = _bounds(own), _bounds(other)
        said.append(f"its {what} lie in {ours}, those here in {theirs}")
    if own.dtype != other.dtype:
        said.append(f"its {what} are {own.dtype}, those here {other.dtype}")
    return said


def _bounds(space: Box) -> str:
    low, high = (np.unique(end) for end in (space.low, space.high))
    if low.size == high.size == 1:
        return f"[{low[0]:g}, {high[0]:g}]"
    return f"[{space.low.tolist()}, {space.high.tolist()}]"
