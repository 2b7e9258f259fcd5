"""Many learned environments at once behind `gymnasium.vector.VectorEnv`, in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from torch import Tensor

from learned_envs import argument, arrays
from learned_envs.envs.batch import EpisodeBatch
from learned_envs.envs.core import EnvCore
from learned_envs.envs.infos import everyones, finals, gathered, regrouped, somebodys, to_host
from learned_envs.envs.many import EachOfMany
from learned_envs.envs.mujoco_names import MujocoNames
from learned_envs.envs.options import EnvOptions
from learned_envs.envs.render import PICTURE_PARAMETERS, RENDER_MODES, Renderer
from learned_envs.envs.step import SIGNALS, Columns
from learned_envs.errors import ParameterError, ResetNeededError
from learned_envs.state import State
from learned_envs.stepping import Compile

Infos = dict[str, Any]


class LearnedVectorEnv(EachOfMany, MujocoNames, gym.vector.VectorEnv[Any, Any, Any]):
    """Many episodes inside a learned model, stepped as one batch.

    What an episode is, `LearnedEnv` says; when they are reset, and what `infos` holds then,
    Gymnasium's `SyncVectorEnv` says. One environment gives what `LearnedEnv` gives under the
    same seed. The environments share one source of randomness, so that a seed determines the
    batch as a whole: to change `num_envs` changes every episode.

    With `tensors=True` observations, rewards, flags and infos are torch tensors on the model's
    device, float32 and bool. On a GPU nothing then waits for the device to look at a value:
    `final_obs` and `final_info` are there in every step, a non-finite action truncates its episode
    as diverged, and a step past a done episode in `DISABLED` mode goes unnoticed.
    """

    # Gymnasium declares it as an instance's, and each instance has its own.
    metadata: dict[str, Any] = {"render_modes": RENDER_MODES}  # noqa: RUF012

    def __init__(
        self,
        task: str | None = None,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        tensors: bool = False,
        starts: State | None = None,
        start_fraction: float | None = None,
        checkpoint: str | Path | None = None,
        reference: str | None = None,
        device: str | torch.device = "cpu",
        compile: Compile = "auto",
        precision: Literal["float32", "bfloat16"] = "float32",
        ensemble: Literal["member", "mean"] = "member",
        max_disagreement: float | Literal["auto"] | None = "auto",
        disagreement_penalty: float = 0.0,
        process_noise: float = 0.0,
        disagreement_in_info: bool = False,
        readings_in_info: bool = False,
        render_mode: str | None = None,
        **parameters: Any,
    ) -> None:
        """Load the model.

        Args:
            task: the registered name of the task; `gym.make_vec` fills it in. None if the
                checkpoint says what it is, as for `LearnedSim-v0`.
            num_envs: how many episodes run at once.
            max_episode_steps: truncate after so many steps; `gym.make_vec` fills in the
                reference's limit. The checkpoint's own limit if None; -1 for none, as for
                `gym.make`.
            autoreset_mode: an `AutoresetMode` or its value.
            tensors: hand out torch tensors on the device in place of numpy arrays.
            starts: states, q (n, nq) and v (n, nv), that episodes may begin from.
            start_fraction: of episodes, begin from a random row of `starts`; given with them.
            checkpoint: see `LearnedEnv`, as for all that follows.
            reference: another environment of the same system, for its rules.
            device: where the model runs.
            compile: True, False or "auto".
            precision: of the networks; see `Simulation.to_bfloat16`.
            ensemble: "member" or "mean".
            max_disagreement: truncate if the ensemble's members disagree by more.
            disagreement_penalty: subtract this many times the disagreement from the reward.
            process_noise: add to velocities this share of each change, times normal numbers.
            disagreement_in_info: compute the disagreement even if nothing else needs it.
            readings_in_info: tell what sensors read, and how wrong that may be.
            render_mode: one of the reference's, or None.
            parameters: the reference environment's own constructor parameters.

        Raises:
            CheckpointError: if the weights cannot be read, or are of another task.
            ArgumentTypeError: if there is no such parameter.
            ParameterError: if one is out of range.
            ShapeError: if `starts` has another shape.
            DeviceError: if there is no such device.
        """
        num_envs = argument.count("num_envs", num_envs, most=2**31 - 1)
        picture = {name: parameters.pop(name) for name in PICTURE_PARAMETERS & parameters.keys()}
        options = EnvOptions(
            checkpoint=checkpoint,
            reference=reference,
            device=device,
            compile=compile,
            precision=precision,
            ensemble=ensemble,
            max_disagreement=max_disagreement,
            disagreement_penalty=disagreement_penalty,
            process_noise=process_noise,
            disagreement_in_info=disagreement_in_info,
            readings_in_info=readings_in_info,
            max_episode_steps=max_episode_steps,
            autoreset_mode=autoreset_mode,
            starts=starts,
            start_fraction=start_fraction,
            parameters=parameters,
        )
        self._core, self._tensors = EnvCore(task, options, tensors), tensors
        self._renderer = Renderer.of(self._core.card, render_mode, picture)
        self._episodes: EpisodeBatch | None = None
        self.num_envs, self.render_mode = num_envs, render_mode
        self.metadata = {
            **type(self).metadata,
            "render_fps": self._core.render_fps,
            "autoreset_mode": self._core.mode,
        }
        self.single_action_space = self._core.task.action_space
        self.single_observation_space = self._core.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)

    def __getstate__(self) -> dict[str, Any]:
        """Keep the episodes and the weights; the code that steps is made anew."""
        episodes = None if self._episodes is None else self._episodes.to("cpu")
        return {**self.__dict__, "_episodes": episodes}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self.__dict__.update(kept)
        if self._episodes is not None:
            self._episodes = self._episodes.to(self._core.device)

    @property
    def autoreset_mode(self) -> AutoresetMode:
        """When an episode that has ended begins anew."""
        return self._core.mode

    @property
    def state(self) -> State:
        """Where the systems are: q (num_envs, nq), v (num_envs, nv) and all else that goes along.

        Set to a state that was read here before, the systems go on from there as they did then.
        Time limits are not the systems' and stay where they are.

        Raises:
            ResetNeededError: before the first reset.
        """
        # Cloned, so that gradients can flow from it: steps may leave inference tensors behind.
        return self._running().state.map(Tensor.clone)

    @state.setter
    def state(self, state: State) -> None:
        self.set_state(state)

    @torch.no_grad()
    def set_state(self, q: Any, v: Any = None, mask: Any = None) -> None:
        """Move the systems; the episodes go on, with the same time limits.

        Args:
            q: positions, (num_envs, nq), numpy or torch; then the episodes keep their members. Or a
                `State` from `state`, whose members and other memory come along; an episode that
                had ended goes on there.
            v: velocities, (num_envs, nv); None beside a `State`.
            mask: (num_envs) bool, which systems to move; all if None.

        Raises:
            ResetNeededError: before the first reset.
            ShapeError: if something has another shape.
            ParameterError: if it is not numeric or not finite, or if the state remembers what
                states of these environments do not.
            ArgumentTypeError: if the mask is no array of bool.
        """
        episodes = self._running()
        if mask is not None:
            mask = arrays.mask("mask", mask, self.num_envs, self._core.device)
        self._episodes = self._core.moved(episodes, q, v, mask)

    @torch.no_grad()
    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, Infos]:
        """Begin episodes, all or those of a mask.

        Args:
            seed: reseeds the one source of randomness, from an int or from all of a list of
                num_envs ints; entries of None add nothing.
            options: `reset_mask`, (num_envs) bool with at least one true, begins only those
                episodes and leaves the others where they are.

        Raises:
            ShapeError: if the list or the mask has another length.
            ParameterError: if the mask is false everywhere, or a seed is negative or not whole.
            ResetNeededError: if the first reset comes with a mask.
            ArgumentTypeError: if the options are no dictionary, or the mask no array of bool.
        """
        others = mask = None
        if "reset_mask" in argument.options(options):
            chosen = argument.options(options)["reset_mask"]
            mask = arrays.mask("reset_mask", chosen, self.num_envs, self._core.device)
            others = self._running()
            if not mask.any():
                raise ParameterError("Got reset_mask without a true entry, expected at least one.")
        now = self._core.reset(self.num_envs, self._source(seed), others, mask)
        self._episodes = now.episodes
        infos = gathered({}, self._core.task.reset_info(now.episodes.state), now.begun)
        return self._hand_out(now.observation, infos)

    @torch.no_grad()
    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Infos]:
        """Advance every episode by one step.

        Args:
            actions: (num_envs, nu), numpy or torch.

        Raises:
            ResetNeededError: before the first reset; in `DISABLED` mode past an episode's end.
            ActionError: if actions are not numeric or not finite; nothing has changed then.
            ShapeError: if actions have another shape; nothing has changed then.
        """
        # Users get no tensors in numpy mode, so that nothing of autograd needs to be kept up.
        with nullcontext() if self._tensors else torch.inference_mode():
            before = self._running()
            now = self._core.step(before, self._core.action(actions, (self.num_envs,)))
            self._episodes = now.episodes
            signals = {name: getattr(now, name) for name in SIGNALS}
            final: Infos = {}
            if self._core.blind or now.begun.any():
                first = self._core.task.reset_info(now.episodes.state)
                infos = gathered(now.info, first, now.begun)
                if self._core.mode is AutoresetMode.SAME_STEP:
                    final = finals(now.final_observation, now.info, now.begun, self._tensors)
            else:
                infos = everyones(now.info)
            observation, handed = self._hand_out(now.observation, {**signals, **infos})
        return observation, *(handed.pop(name) for name in SIGNALS), handed | final

    def render(self) -> tuple[Any, ...] | None:
        """Draw every environment's predicted state; in mode "human", the first one's in a window.

        Raises:
            ResetNeededError: before the first reset.
            RenderError: if no picture can be drawn.
        """
        state = self.state
        if self.render_mode == "human":
            self._renderer.draw(state[0])
            return None
        return tuple(self._renderer.draw(state[row]) for row in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Close the renderer, if the environments were made so far."""
        if hasattr(self, "_renderer"):
            self._renderer.close()

    def _running(self) -> EpisodeBatch:
        if self._episodes is None:
            raise ResetNeededError("There are no episodes yet. Call reset() first.")
        return self._episodes

    def _hand_out(self, observation: Tensor, columns: Columns) -> tuple[Any, Infos]:
        """Return observations, and columns that share no memory with the episodes, to the user."""
        if self.render_mode == "human":
            self.render()
        if self._tensors:
            return observation.clone(), regrouped(dict(columns))
        array, host = to_host(observation, columns)
        return array.astype(self._core.dtype, copy=False), regrouped(somebodys(host))

    def _source(self, seed: Any) -> Tensor:
        """Return the source of randomness: a new one if there is a seed, or was none before."""
        seeds = argument.seeds(seed, self.num_envs)
        if isinstance(seeds, list):
            self.np_random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seeds)))
        else:
            super().reset(seed=seeds)
        if seeds is None and self._episodes is not None:
            return self._episodes.supply.random
        return self._core.random(self.np_random)
