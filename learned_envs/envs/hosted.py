"""The real environment's own `step()`, on physics that a model predicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import mujoco
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learned_envs import argument, registry
from learned_envs.card import Card
from learned_envs.collect.same_system import expect_same_system
from learned_envs.envs.mover import Mover
from learned_envs.envs.options import EnvOptions
from learned_envs.envs.render import RENDER_MODES
from learned_envs.envs.step import SIGNALS
from learned_envs.errors import ParameterError, ResetNeededError
from learned_envs.state import State
from learned_envs.stepping import Compile
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.difference import known_differences
from learned_envs.systems.flat import flat
from learned_envs.systems.hosting import Hosting
from learned_envs.systems.reference import describe, make_reference
from learned_envs.systems.spec import SystemSpec

Array = NDArray[Any]


class HostedEnv(gym.Env[Array, Array]):
    """One episode of the real environment at a time, whose bodies a learned model moves.

    Its Python runs unchanged: rewards, observations, what it remembers, what a reset draws. So the
    environment must be installed, and a step takes as long as its Python and MuJoCo's `mj_forward`
    take, beside the model's. `learned_envs.systems.hosting` says what is exact.

    ## Truncation
    As in `LearnedEnv`, with the same keys of `info`.
    """

    # Gymnasium declares it as an instance's, and each instance has its own.
    metadata: dict[str, Any] = {"render_modes": RENDER_MODES}  # noqa: RUF012

    def __init__(
        self,
        task: str | None = None,
        *,
        checkpoint: str | Path | None = None,
        reference: str | None = None,
        device: str | torch.device = "cpu",
        compile: Compile = "auto",
        ensemble: Literal["member", "mean"] = "member",
        max_disagreement: float | Literal["auto"] | None = "auto",
        disagreement_penalty: float = 0.0,
        disagreement_in_info: bool = False,
        render_mode: str | None = None,
        **parameters: Any,
    ) -> None:
        """Make the environment, and load the model.

        Args:
            task: see `LearnedEnv`, as for all that follows.
            checkpoint: a weights file, a fit's folder, a packed file or a model on the hub,
                `hf://user/name`; the shipped weights if None.
            reference: another environment of the same system, to run its step().
            device: where the model runs.
            compile: True, False or "auto".
            ensemble: "member" or "mean".
            max_disagreement: truncate if the members disagree by more.
            disagreement_penalty: subtract this many times the disagreement from the reward.
            disagreement_in_info: compute the disagreement even if nothing else needs it.
            render_mode: one of the reference's, or None.
            parameters: the reference environment's own constructor parameters, all but those that
                change the physics.

        Raises:
            CheckpointError: if the weights cannot be read, or are of another task.
            ParameterError: if an option is out of range, or a parameter changes the physics.
            DeviceError: if there is no such device.
        """
        options = EnvOptions(
            checkpoint=checkpoint,
            reference=reference,
            device=device,
            compile=compile,
            ensemble=ensemble,
            max_disagreement=max_disagreement,
            disagreement_penalty=disagreement_penalty,
            disagreement_in_info=disagreement_in_info,
        )
        name = None if task is None else registry.task_of(task)
        simulation = options.load_motion(name)
        spec, card = simulation.task.spec, Card.of(dict(simulation.card))
        made = make_reference(
            reference or name or card.task,
            render_mode=render_mode,
            disable_env_checker=True,
            **parameters,
        )
        self._real = Adapter(made, spec.leaves)
        if reference is None:
            self._check_physics(spec)
        else:
            expect_same_system(made, spec, card.task, card.mjcf)
        self._mover = Mover(self._real, simulation, options)
        self._random: Tensor | None = None
        self.render_mode = render_mode
        self.metadata = {**type(self).metadata, "render_fps": self._mover.core.render_fps}
        self.observation_space, self.action_space = made.observation_space, made.action_space

    @property
    def reference(self) -> Any:
        """The real environment, below all wrappers. Its `data` is where the model has moved it."""
        return self._real.base

    @property
    def model(self) -> mujoco.MjModel:
        """MuJoCo's model."""
        return self._real.model

    @property
    def data(self) -> mujoco.MjData:
        """MuJoCo's data, which the model moves."""
        return self._real.data

    @property
    def state(self) -> State:
        """Where the system is: q (nq) and v (nv) in float64, and all else that goes with it.

        Raises:
            ResetNeededError: before the first reset.
        """
        self._check_running()
        return self._mover.state()

    @state.setter
    def state(self, state: State) -> None:
        self.set_state(state)

    def set_state(self, q: Any, v: Any = None) -> None:
        """Move the system; the episode goes on. See `LearnedEnv.set_state`.

        Raises:
            ResetNeededError: before the first reset.
            ShapeError: if something has another shape.
            ParameterError: if it is not numeric or not finite.
        """
        self._check_running()
        self._mover.place(q, v)

    @torch.no_grad()
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Begin an episode as the real environment does; see `LearnedEnv.reset`."""
        given = dict(argument.options(options))
        seed = argument.seed("seed", seed)
        super().reset(seed=seed)
        if self._random is None or seed is not None:
            self._random = self._mover.core.random(self.np_random)
        self._random = self._mover.begin(self._random)
        base = self.reference
        observation, info = base.reset(seed=seed, options=given)
        return flat(base.observation_space, observation), info

    @torch.no_grad()
    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Advance the episode by one step.

        Args:
            action: (nu); numbers of any dtype, clamped for the model. The environment gets them as
                they are.

        Raises:
            ResetNeededError: before the first reset.
            ActionError: if the action is not numeric or not finite; nothing has changed then.
            ShapeError: if the action has another shape; nothing has changed then.
            SystemSpecError: if the environment does not step its physics as it was described.
        """
        self._check_running()
        checked = self._mover.core.action(action, ()).detach()
        given = action if isinstance(action, np.ndarray) else checked.cpu().numpy()
        before, steps = self._mover.state(), self._mover.core.task.spec.frame_skip
        moving = Hosting(
            self.model, self.data, steps, lambda model, data: self._mover.step(before, checked)
        )
        with moving:
            seen, reward, terminated, truncated, info = self._real.step(given)
        said = {name: value for name, value in self._mover.said.items() if name not in SIGNALS}
        reward += self._mover.said["reward"]
        truncated = truncated or self._mover.said["truncated"]
        return seen, reward, terminated and not said["diverged"], truncated, {**info, **said}

    def render(self) -> Any:
        """Draw the predicted state, as the real environment draws."""
        self._check_running()
        return self.reference.render()

    def close(self) -> None:
        """Close the real environment."""
        if hasattr(self, "_real"):
            self._real.env.close()

    def _check_running(self) -> None:
        if self._random is None:
            raise ResetNeededError("There is no episode yet. Call reset() first.")

    def _check_physics(self, spec: SystemSpec) -> None:
        """Refuse an environment of another system than the model's."""
        found = known_differences(replace(spec, leaves=()), describe(self._real.env))
        if found:
            where, model, own = found[0]
            self._real.env.close()
            raise ParameterError(
                f"Got an environment whose physics differ from the model's: {where} is {own}, and "
                f"was {model}. A parameter that changes the physics needs a model fitted to it."
            )
