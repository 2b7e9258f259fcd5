"""Many learned environments at once behind `gymnasium.vector.VectorEnv`, in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from torch import Tensor

from learned_envs.envs import argument
from learned_envs.envs.batch import Columns, EpisodeBatch, given, select, to_host
from learned_envs.envs.core import EnvCore, EnvStep
from learned_envs.envs.render import PICTURE_PARAMETERS, RENDER_MODES, Renderer
from learned_envs.errors import ParameterError, ResetNeededError, ShapeError
from learned_envs.state import State

Infos = dict[str, Any]


class LearnedVectorEnv(gym.vector.VectorEnv[Any, Any, Any]):
    """Many episodes inside a learned model, stepped as one batch.

    What an episode is, `LearnedEnv` says; when they are reset, and what `infos` holds then,
    Gymnasium's `SyncVectorEnv` says. One environment gives what `LearnedEnv` gives under the
    same seed. The environments share one source of randomness, so that a seed determines the
    batch as a whole: to change `num_envs` changes every episode.

    With `tensors=True` observations, rewards, flags and infos are torch tensors on the model's
    device, float32 and bool. On a GPU nothing then waits for the device to look at a value:
    `final_obs` and `final_info` are there in every step, a non-finite action is no error but
    truncates its episode as diverged, and a step past a done episode in `DISABLED` mode goes
    unnoticed.
    """

    # Gymnasium declares it as an instance's, and each instance has its own.
    metadata: dict[str, Any] = {"render_modes": RENDER_MODES}  # noqa: RUF012

    def __init__(
        self,
        task: str,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        tensors: bool = False,
        starts: State | None = None,
        start_fraction: float = 0.0,
        checkpoint: str | Path | None = None,
        device: str | torch.device = "cpu",
        compile: bool = False,
        precision: Literal["float32", "bfloat16"] = "float32",
        ensemble: Literal["member", "mean"] = "member",
        max_disagreement: float | Literal["auto"] | None = "auto",
        disagreement_penalty: float = 0.0,
        disagreement_in_info: bool = False,
        render_mode: str | None = None,
        **parameters: Any,
    ) -> None:
        """Load the model.

        Args:
            task: the registered name of the task; `gym.make_vec` fills it in.
            num_envs: how many episodes run at once.
            max_episode_steps: truncate after so many steps; `gym.make_vec` fills in the
                reference's limit. No limit if None, or -1 as for `gym.make`.
            autoreset_mode: an `AutoresetMode` or its value.
            tensors: hand out torch tensors on the device in place of numpy arrays.
            starts: states, q (n, nq) and v (n, nv), that episodes may begin from.
            start_fraction: the fraction of episodes that begin from a random row of `starts`.
            checkpoint: see `LearnedEnv`, as for all that follows.
            device: where the model runs.
            compile: step in code that a C++ compiler makes; see `Simulation.compiled`.
            precision: of the networks; see `Simulation.to_bfloat16`.
            ensemble: "member" or "mean".
            max_disagreement: truncate where the ensemble's members disagree by more.
            disagreement_penalty: subtract this many times the disagreement from the reward.
            disagreement_in_info: compute the disagreement even where nothing else needs it.
            render_mode: one of the reference's, or None.
            parameters: the reference environment's own constructor parameters.

        Raises:
            CheckpointError: where the weights cannot be read, or are of another task.
            ParameterError: where a parameter is unknown or out of range.
            ShapeError: where `starts` has another shape.
            DeviceError: where there is no such device.
            RenderError: where a window is asked for and there is no display.
        """
        if num_envs < 1:
            raise ParameterError(f"Got num_envs={num_envs}, expected at least 1.")
        picture = {name: parameters.pop(name) for name in PICTURE_PARAMETERS & parameters.keys()}
        self._mode = _autoreset_mode(autoreset_mode)
        self._episodes = EnvCore(
            task,
            parameters,
            checkpoint=checkpoint,
            device=device,
            compile=compile,
            precision=precision,
            ensemble=ensemble,
            max_disagreement=max_disagreement,
            disagreement_penalty=disagreement_penalty,
            disagreement_in_info=disagreement_in_info,
        )
        self._starts = self._episodes.starts(starts, start_fraction)
        self._start_fraction = float(start_fraction)
        self._limit = None if max_episode_steps == -1 else max_episode_steps
        self._tensors = tensors
        self._device = self._episodes.simulation.device
        self._blind = tensors and self._device.type != "cpu"
        self._renderer = Renderer(self.reference_id, render_mode, picture)

        self.num_envs = num_envs
        self.render_mode = render_mode
        self.metadata = {
            **type(self).metadata,
            "render_fps": self._episodes.render_fps,
            "autoreset_mode": self._mode,
        }
        self.single_action_space = self._episodes.task.action_space
        self.single_observation_space = self._episodes.task.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)

        self._moment: EpisodeBatch | None = None
        # Episodes to begin, and how many of them have begun.
        self._drawn: EpisodeBatch | None = None
        self._taken = 0
        self._ended = torch.zeros(num_envs, dtype=torch.bool, device=self._device)

    @property
    def reference_id(self) -> str:
        """The Gymnasium id of the environment that this one is modelled on."""
        return self._episodes.task.reference_id

    @property
    def state(self) -> State:
        """Where the systems are: q (num_envs, nq), v (num_envs, nv) and the members' memory.

        Raises:
            ResetNeededError: before the first reset.
        """
        # Cloned, so that gradients can flow from it: steps may leave inference tensors behind.
        return self._running().state.map(Tensor.clone)

    @torch.no_grad()
    def set_state(self, q: Any, v: Any, mask: Any = None) -> None:
        """Move the systems; the episodes go on, with the same members and time limits.

        Args:
            q: positions, (num_envs, nq), numpy or torch.
            v: velocities, (num_envs, nv).
            mask: (num_envs) bool, which systems to move; all if None.

        Raises:
            ResetNeededError: before the first reset.
            ShapeError: where q, v or the mask has another shape.
            ParameterError: where q or v is not finite.
            TypeError: where the mask is no array of bool.
        """
        moment = self._running()
        state = self._episodes.place(moment.state, q, v)
        observation = self._episodes.task.observation(state)
        moved = replace(moment, state=state, observation=observation)
        if mask is not None:
            mask = argument.mask("mask", mask, self.num_envs, self._device)
            moved = moved.where(mask, moment)
        self._moment = moved

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
            ShapeError: where the list or the mask has another length.
            ParameterError: where the mask is false everywhere.
            ResetNeededError: where the first reset comes with a mask.
            TypeError: where the mask is no array of bool.
        """
        others = mask = None
        if options is not None and "reset_mask" in options:
            given_mask = options["reset_mask"]
            mask = argument.mask("reset_mask", given_mask, self.num_envs, self._device)
            others = replace(self._running(), info={})
            if not mask.any():
                raise ParameterError("Got reset_mask without a true entry, expected at least one.")
        reseeded = self._reseed(seed)
        self._episodes.seed(self.np_random, reseeded)
        self._drawn = None
        moment = self._begin(self.num_envs)
        if others is not None and mask is not None:
            moment = moment.where(mask, others)
        self._ended = torch.zeros_like(self._ended) if mask is None else self._ended & ~mask
        self._moment = moment
        if self.render_mode == "human":
            self.render()
        observation, infos = self._hand_out(moment.observation, moment.info)
        return observation, infos

    @torch.no_grad()
    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Infos]:
        """Advance every episode by one step.

        Args:
            actions: (num_envs, nu), numpy or torch.

        Raises:
            ResetNeededError: before the first reset, and in `DISABLED` mode past an episode's
                end.
            ActionError: where actions are not numeric or not finite; nothing has changed then.
            ShapeError: where actions have another shape; nothing has changed then.
        """
        # Users get no tensors in numpy mode, so that nothing of autograd needs to be kept up.
        with nullcontext() if self._tensors else torch.inference_mode():
            return self._step(actions)

    def _step(self, actions: Any) -> tuple[Any, Any, Any, Any, Infos]:
        before = self._running()
        action = self._episodes.action(actions, (self.num_envs,), finite=not self._blind)
        if self._mode is AutoresetMode.DISABLED and not self._blind and self._ended.any():
            raise ResetNeededError(
                f"Episodes {self._ended.nonzero()[:, 0].tolist()} have ended. With "
                "AutoresetMode.DISABLED, reset them first: "
                "reset(options={'reset_mask': terminated | truncated})."
            )
        outcome = self._advance(before.state, action)
        elapsed = before.elapsed + 1
        moment = EpisodeBatch(outcome.state, outcome.observation, given(outcome.info), elapsed)
        late = elapsed >= self._limit if self._limit is not None else torch.zeros_like(self._ended)
        signals = {
            "reward": outcome.reward,
            "terminated": outcome.terminated,
            "truncated": outcome.truncated | late,
        }
        ended = signals["terminated"] | signals["truncated"]

        final: Infos = {}
        if self._mode is AutoresetMode.NEXT_STEP:
            # An episode that begins has no reward, and does not end.
            moment = replace(moment, info={**moment.info, **signals})
            moment, ended = self._begin_anew(moment, self._ended), ended & ~self._ended
        elif self._mode is AutoresetMode.SAME_STEP:
            if self._blind or ended.any():
                final = self._final(moment, ended)
                moment = self._begin_anew(moment, ended)
            ended = torch.zeros_like(ended)

        self._moment, self._ended = replace(moment, info={}), ended
        if self.render_mode == "human":
            self.render()
        observation, infos = self._hand_out(moment.observation, {**signals, **moment.info})
        return observation, *(infos.pop(name) for name in signals), infos | final

    def render(self) -> tuple[Any, ...] | None:
        """Draw every environment's predicted state; in mode "human", the first one's in a window.

        Raises:
            ResetNeededError: before the first reset.
            RenderError: where no picture can be drawn.
        """
        state = self.state
        q, v = state.q.double().cpu().numpy(), state.v.double().cpu().numpy()
        if self.render_mode == "human":
            self._renderer.draw(q[0], v[0])
            return None
        return tuple(self._renderer.draw(*row) for row in zip(q, v, strict=True))

    def close_extras(self, **kwargs: Any) -> None:
        """Close the renderer."""
        self._renderer.close()

    def _running(self) -> EpisodeBatch:
        if self._moment is None:
            raise ResetNeededError("There are no episodes yet. Call reset() first.")
        return self._moment

    def _begin_anew(self, moment: EpisodeBatch, ended: Tensor) -> EpisodeBatch:
        """Begin new episodes in place of those that have ended."""
        if self._blind:
            # On a GPU, drawing costs less than looking.
            return self._begin(self.num_envs).where(ended, moment)
        rows = ended.nonzero()[:, 0]
        return moment.put(rows, self._take(len(rows))) if len(rows) else moment

    def _take(self, count: int) -> EpisodeBatch:
        """Return episodes that begin: to draw many at a time costs little more than a few."""
        if self._drawn is None or self._taken + count > self.num_envs:
            self._drawn, self._taken = self._begin(self.num_envs), 0
        taken = slice(self._taken, self._taken + count)
        self._taken += count
        return self._drawn[taken]

    def _begin(self, batch: int) -> EpisodeBatch:
        state = self._episodes.begin(batch, self._starts, self._start_fraction)
        task = self._episodes.task
        elapsed = torch.zeros(batch, dtype=torch.long, device=self._device)
        return EpisodeBatch(state, task.observation(state), given(task.reset_info(state)), elapsed)

    def _advance(self, state: State, action: Tensor) -> EnvStep:
        if not self._blind:
            return self._episodes.step(state, action)
        broken = ~action.isfinite().all(-1)
        outcome = self._episodes.step(state, action.masked_fill(broken[:, None], 0.0))
        info = {**outcome.info, "diverged": outcome.info["diverged"] | broken}
        return replace(outcome, truncated=outcome.truncated | broken, info=info)

    def _final(self, moment: EpisodeBatch, ended: Tensor) -> Infos:
        """Return the last observations and infos of the episodes that ended."""
        observation, info = self._hand_out(moment.observation, select(ended, moment.info, {}))
        mask: Any = ended
        if not self._tensors:
            mask = ended.cpu().numpy()
            rows = observation[mask]
            observation = np.full(self.num_envs, None, dtype=object)
            for index, row in zip(mask.nonzero()[0], rows, strict=True):
                observation[index] = row
        return {
            "final_obs": observation,
            "_final_obs": mask,
            "final_info": info,
            "_final_info": mask.clone() if self._tensors else mask.copy(),
        }

    def _hand_out(self, observation: Tensor, columns: Columns) -> tuple[Any, Infos]:
        """Return what the user gets: nothing in it shares memory with what is kept."""
        if self._tensors:
            state = self._running().state
            kept = {x.untyped_storage().data_ptr() for x in (state.q, state.v)}
            own = {
                name: column.clone() if column.untyped_storage().data_ptr() in kept else column
                for name, column in columns.items()
            }
            return observation.clone(), own
        array, host = to_host(observation, columns)
        nobodys = [name for name in host if f"_{name}" in host and not host[f"_{name}"].any()]
        for name in nobodys:
            del host[name], host[f"_{name}"]
        return array, host

    def _reseed(self, seed: int | Sequence[int | None] | None) -> bool:
        """Reseed Gymnasium's generator; return whether there was anything to reseed it from."""
        if seed is None or isinstance(seed, int):
            super().reset(seed=seed)
            return seed is not None
        if len(seed) != self.num_envs:
            raise ShapeError(f"Got {len(seed)} seeds, expected {self.num_envs}, one for each env.")
        given = [entry for entry in seed if entry is not None]
        if given:
            self.np_random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(given)))
        return bool(given)


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except ValueError:
        known = ", ".join(repr(known.value) for known in AutoresetMode)
        raise ParameterError(
            f"Got autoreset_mode={mode!r}, expected an AutoresetMode or one of {known}."
        ) from None
