"""A learned environment behind `gymnasium.Env`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import torch
from torch import Tensor

from learned_envs import argument
from learned_envs.envs.core import EnvCore
from learned_envs.envs.infos import Array, regrouped
from learned_envs.envs.mujoco_names import MujocoNames
from learned_envs.envs.options import EnvOptions
from learned_envs.envs.placing import placed
from learned_envs.envs.render import PICTURE_PARAMETERS, RENDER_MODES, Renderer
from learned_envs.envs.step import SIGNALS
from learned_envs.envs.stepper import SingleStepper
from learned_envs.errors import ResetNeededError
from learned_envs.state import State
from learned_envs.stepping import Compile


class LearnedEnv(MujocoNames, gym.Env[Array, Array]):
    """One episode at a time inside a learned model, as the reference environment would run it.

    ## Action, observation, reward, starting state, episode end
    Those of the reference environment, `reference_id`: the same spaces, the same constructor
    parameters, the same `info`. See the task's file in `learned_envs/tasks`.

    ## Truncation
    If the model stops knowing, the episode is truncated and never terminated, so that ending
    early does not pay. `info["diverged"]`: the prediction left three times the range of the
    model's data, and the last state inside is returned. `info["out_of_support"]`: the ensemble's
    members disagree by more than `max_disagreement`.

    ## Version History
    v0: the first.
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
        readings_in_info: bool = False,
        render_mode: str | None = None,
        **parameters: Any,
    ) -> None:
        """Load the model.

        Args:
            task: the registered name of the task; `gym.make` fills it in. None if the checkpoint
                says what it is, as for `LearnedSim-v0`.
            checkpoint: a weights file, a fit's folder, a packed file or a model on the hub,
                `hf://user/name`; the shipped weights if None.
            reference: another environment of the same system, whose rules are traced for this
                model and take the place of the checkpoint's: "my_robot:Backwards-v0". It needs
                the environment's code, and some seconds.
            device: where the model runs.
            compile: step in code that a C++ compiler makes; see `Simulation.compiled`. "auto" does
                so where there is a compiler, True warns where there is none.
            ensemble: "member" steps each episode with one member drawn at its start, "mean" with
                the mean of all.
            max_disagreement: truncate if the members disagree by more; "auto" takes the
                checkpoint's own threshold, None never truncates.
            disagreement_penalty: subtract this many times the disagreement from the reward.
            disagreement_in_info: compute `info["disagreement"]` even if nothing else needs it.
            readings_in_info: tell what each sensor reads, `info[NAME]`, and how wrong that may be,
                `info["NAME_spread"]`, the root mean squared error that is expected.
            render_mode: one of the reference's, or None.
            parameters: the reference environment's own constructor parameters, those of its
                pictures (`width`, `camera_name`, ...) included.

        Raises:
            CheckpointError: if the weights cannot be read, or are of another task.
            ArgumentTypeError: if there is no such parameter.
            ParameterError: if one is out of range, or the reference has another system.
            DeviceError: if there is no such device.
        """
        picture = {name: parameters.pop(name) for name in PICTURE_PARAMETERS & parameters.keys()}
        options = EnvOptions(
            checkpoint=checkpoint,
            reference=reference,
            device=device,
            compile=compile,
            ensemble=ensemble,
            max_disagreement=max_disagreement,
            disagreement_penalty=disagreement_penalty,
            disagreement_in_info=disagreement_in_info,
            readings_in_info=readings_in_info,
            parameters=parameters,
        )
        self._core = EnvCore(task, options)
        self._renderer = Renderer.of(self._core.card, render_mode, picture)
        self.render_mode = render_mode
        self.metadata = {**type(self).metadata, "render_fps": self._core.render_fps}
        self.action_space = self._core.task.action_space
        self.observation_space = self._core.observation_space
        self._stepper: SingleStepper | None = None
        self._placed: State | None = None
        self._random: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Keep the episode and the weights; the code that steps is made anew when it is needed."""
        running = self._stepper is not None or self._placed is not None
        placed = self._running().state.to("cpu") if running else None
        return {**self.__dict__, "_stepper": None, "_placed": placed}

    @property
    def state(self) -> State:
        """Where the system is: q (nq), v (nv) and all else that goes with it from step to step.

        Set to a state that was read here before, the environment goes on from there as it did
        then. A time limit is not the system's and stays where it is.

        Raises:
            ResetNeededError: before the first reset.
        """
        return self._running().state[0].map(Tensor.clone)

    @state.setter
    def state(self, state: State) -> None:
        self.set_state(state)

    @torch.no_grad()
    def set_state(self, q: Any, v: Any = None) -> None:
        """Move the system, as `MujocoEnv.set_state`; the episode goes on.

        Args:
            q: positions, (nq), numpy or torch; then the episode keeps its member. Or a `State`
                from `state`, whose member and other memory come along.
            v: velocities, (nv); None beside a `State`.

        Raises:
            ResetNeededError: before the first reset.
            ShapeError: if something has another shape.
            ParameterError: if it is not numeric or not finite, or if the state remembers what
                states of this environment do not.
        """
        moved = placed(self.state, q, v, self._core.members)
        self._running().place(moved.map(lambda tensor: tensor[None]))

    @torch.no_grad()
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: reseeds all randomness, the choice of the ensemble's member included.
            options: a dictionary, of which nothing is used.

        Returns:
            The observation and the reference's info.

        Raises:
            ParameterError: if the seed is no whole number, or is negative.
            ArgumentTypeError: if the options are no dictionary.
        """
        argument.options(options)
        seed = argument.seed("seed", seed)
        super().reset(seed=seed)
        if self._random is None or seed is not None:
            self._random = self._core.random(self.np_random)
        state, self._random = self._core.initial_states(1, self._random)
        if self._stepper is None:
            self._placed = state
        else:
            self._stepper.place(state)
        task = self._core.task
        observation = task.observation(state)[0].to("cpu", torch.float64).numpy()
        observation = observation.astype(self._core.dtype, copy=False)
        info = regrouped({name: value.item() for name, value in task.reset_info(state).items()})
        if self.render_mode == "human":
            self.render()
        return observation, info

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Advance the episode by one step.

        Args:
            action: (nu); numbers of any dtype, clamped for the model and raw for the reward.

        Raises:
            ResetNeededError: before the first reset.
            ActionError: if the action is not numeric or not finite; nothing has changed then.
            ShapeError: if the action has another shape; nothing has changed then.
        """
        observation, info = self._running().step(action)
        reward, terminated, truncated = (info.pop(name) for name in SIGNALS)
        if self.render_mode == "human":
            self.render()
        return observation, reward, terminated, truncated, regrouped(info)

    def render(self) -> Any:
        """Draw the predicted state with the reference environment's renderer.

        Raises:
            ResetNeededError: before the first reset.
            RenderError: if no picture can be drawn.
        """
        return self._renderer.draw(self.state)

    def close(self) -> None:
        """Close the renderer."""
        self._renderer.close()

    def _running(self) -> SingleStepper:
        if self._stepper is None:
            if self._placed is None:
                raise ResetNeededError("There is no episode yet. Call reset() first.")
            self._stepper = SingleStepper(self._core, self._placed.to(self._core.device))
        return self._stepper
