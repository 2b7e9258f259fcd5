"""Episodes inside a simulation: how they begin, how they go on, and when they end.

The single, the vector and the functional environment are three ways to hand out what happens here.
Nothing here changes: a batch of episodes goes in, with all randomness that is to come, and another
comes out.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from torch import Tensor

from learned_envs import argument, arrays, registry
from learned_envs.card import Card
from learned_envs.envs.batch import EnvState, EpisodeBatch, NewEpisodes, Supply
from learned_envs.envs.options import EnvOptions
from learned_envs.envs.placing import placed
from learned_envs.envs.step import EnvStep, StepFunction
from learned_envs.errors import ActionError, ResetNeededError
from learned_envs.registration import episode_steps
from learned_envs.simulation import Simulation
from learned_envs.state import State
from learned_envs.stepping import BatchStep, Share
from learned_envs.tasks.task import Task


class EnvCore:
    """Batches of episodes of one task in one learned model.

    Attributes:
        options: how the episodes run.
        mode: when an episode that has ended begins anew.
        function: a step of the system, in torch.
        advance: the same step, taken the best way that there is.
        device: where the model is.
        share: where code that is derived from steps is shared.
        blind: whether no value of a tensor may be looked at, because a GPU would be waited for. An
            action that is not finite is then no error but truncates its episode as diverged.
    """

    def __init__(self, task: str | None, options: EnvOptions, tensors: bool = False) -> None:
        """Load the model.

        Args:
            task: the registered name of the task, or the id of its environment; None if the
                checkpoint says what it is.
            options: how the episodes run; see there for the errors.
            tensors: whether users get tensors on the device.
        """
        tensors = argument.flag("tensors", tensors)
        name = None if task is None else registry.task_of(task)
        self._set_up(options.load(name), options, tensors)

    @classmethod
    def of(cls, simulation: Simulation, options: EnvOptions) -> EnvCore:
        """Return the core of a simulation that is loaded already."""
        core = cls.__new__(cls)
        core._set_up(simulation, options, tensors=False)
        return core

    def _set_up(self, simulation: Simulation, options: EnvOptions, tensors: bool) -> None:
        self.options, self.mode = options, options.mode
        self.function = StepFunction.of(simulation, options)
        self.device = simulation.device
        self.share = Share(self.function.key(options))
        self.advance = BatchStep(
            self.function,
            compile=options.compile,
            apart=self.function.members if self.function.apart else None,
            share=self.share,
        )
        self._tensors = tensors
        self.blind = tensors and self.device.type != "cpu"
        self._simulation = simulation
        self._like = simulation.dynamics.q_low
        self._starts = options.starts_in(simulation)
        told = options.reference is not None or self.card.reference is not None
        own = episode_steps(self.card, options.reference) if told else None
        self._limit = own if options.max_episode_steps is None else options.limit

    def __getstate__(self) -> dict[str, Any]:
        """Keep the weights and the options; derived code is made anew where they are loaded."""
        return {
            "simulation": self._simulation,
            "options": self.options.to_host(),
            "tensors": self._tensors,
        }

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self._set_up(**kept)

    def __deepcopy__(self, memo: dict[int, Any]) -> EnvCore:
        """Return the core itself, because nothing in it ever changes."""
        return self

    @property
    def task(self) -> Task:
        """What is asked."""
        return self._simulation.task

    @cached_property
    def card(self) -> Card:
        """What the checkpoint says of itself."""
        return Card.of(dict(self._simulation.card))

    @property
    def members(self) -> int:
        """How many models the ensemble has."""
        return self._simulation.members

    @property
    def observation_space(self) -> Box:
        """That of one episode, in the type of what users get."""
        space = self.task.observation_space
        if not self._tensors:
            return space
        return Box(space.low.astype(np.float32), space.high.astype(np.float32), dtype=np.float32)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The type of observations in numpy: the reference environment's."""
        return np.dtype(self.task.observation_space.dtype)

    @property
    def render_fps(self) -> int:
        """How many steps make a second."""
        return round(1 / self.task.spec.dt)

    def random(self, seeds: np.random.Generator) -> Tensor:
        """Derive a source of randomness from Gymnasium's: the state of a generator of torch's."""
        generator = torch.Generator(device=self.device)
        return generator.manual_seed(int(seeds.integers(2**63 - 1))).get_state()

    def initial_states(self, count: int, random: Tensor) -> tuple[State, Tensor]:
        """Draw the states that `count` episodes begin from, an ensemble member included.

        Returns:
            The states, and the source of randomness for what is drawn next.
        """
        generator = torch.Generator(device=self.device)
        generator.set_state(random)
        mean, fraction = self.options.ensemble == "mean", self.options.start_fraction or 0.0
        # What `Simulation.reset` does, without its checks.
        drawn = self.task.initial_state(count, generator, self._like.dtype)
        state = self._simulation.dynamics.begin(drawn, generator, mean)
        if self._starts is not None and fraction > 0:
            rows = torch.randint(
                len(self._starts.q), (count,), generator=generator, device=self.device
            )
            chosen = (
                torch.rand(count, generator=generator, device=self.device, dtype=torch.float32)
                < fraction
            )
            start = self._simulation.dynamics.begin(self._starts[rows], generator, mean)
            state = state.where(~chosen, start)
        return state, generator.get_state()

    def reset(
        self,
        count: int,
        random: Tensor,
        others: EpisodeBatch | None = None,
        mask: Tensor | None = None,
    ) -> EnvState:
        """Begin episodes.

        Args:
            count: how many there are.
            random: the source of randomness.
            others: episodes of which only those in the mask are to begin anew.
            mask: (count) bool.
        """
        new, random = self._draw(count, random)
        # All that were drawn begin, or are dropped.
        supply = Supply(random, new, torch.tensor(count, device="cpu"))
        nothing = torch.zeros(count, dtype=torch.bool, device=self.device)
        episodes = EpisodeBatch(
            new.state, new.observation, torch.zeros_like(nothing, dtype=torch.long), nothing, supply
        )
        begun = ~nothing
        if others is not None and mask is not None:
            begun = mask.clone()
            episodes = others.restarted(new, supply, partial(_chosen, begun))
            episodes = replace(episodes, ended=others.ended & ~begun)
        reward = torch.zeros_like(nothing, dtype=self._like.dtype)
        return EnvState(episodes, reward, nothing, nothing, {}, episodes.observation, begun)

    def step(self, episodes: EpisodeBatch, action: Tensor) -> EnvState:
        """Advance every episode by one step, by the time limit and the mode of autoreset.

        Args:
            episodes: where they are.
            action: (batch, nu), as from `action`.

        Raises:
            ResetNeededError: in `DISABLED` mode past an episode's end.
        """
        if self.mode is AutoresetMode.DISABLED and not self.blind and episodes.ended.any():
            raise ResetNeededError(
                f"Episodes {episodes.ended.nonzero()[:, 0].tolist()} have ended. With "
                "AutoresetMode.DISABLED, reset them first: "
                "reset(options={'reset_mask': terminated | truncated})."
            )
        step = self._advanced(episodes.state, action)
        reward, terminated, truncated = step.reward, step.terminated, step.truncated
        elapsed = episodes.elapsed + 1
        if self._limit is not None:
            truncated = truncated | (elapsed >= self._limit)
        nobody = torch.zeros_like(terminated)
        ended, begun = terminated | truncated, nobody
        if self.mode is AutoresetMode.NEXT_STEP:
            # An episode that begins has no reward, and does not end.
            begun = episodes.ended
            reward = reward.masked_fill(begun, 0.0)
            terminated, truncated, ended = (x & ~begun for x in (terminated, truncated, ended))
        elif self.mode is AutoresetMode.SAME_STEP:
            ended, begun = nobody, ended
        state, supply = step.state, episodes.supply
        if share := self.options.process_noise:
            supply, drawn = supply.normal(state.v)
            state = replace(state, v=state.v + share * drawn * (state.v - episodes.state.v))
        after = EpisodeBatch(state, step.observation, elapsed, ended, supply)
        after = self._restarted(after, begun)
        return EnvState(after, reward, terminated, truncated, step.info, step.observation, begun)

    def moved(
        self, episodes: EpisodeBatch, q: object, v: object, mask: Tensor | None
    ) -> EpisodeBatch:
        """Return the episodes with their systems, or those of a mask, moved; see `placed`."""
        state, ended = placed(episodes.state, q, v, self.members), episodes.ended
        observation = self.task.observation(state)
        if isinstance(q, State):
            # What was given back goes on, even if it had ended since.
            ended = torch.zeros_like(ended) if mask is None else ended & ~mask
        if mask is not None:
            state = state.where(mask, episodes.state)
            observation = _chosen(mask, episodes.observation, observation)
        return replace(episodes, state=state, observation=observation, ended=ended)

    def action(self, value: object, batch: tuple[int, ...]) -> Tensor:
        """Return an agent's action as (*batch, nu) on the simulation's device.

        Args:
            value: anything numeric, cast as MuJoCo casts what is written to `ctrl`.
            batch: the shape that comes before nu.

        Raises:
            ActionError: if it is not numeric or, unless `blind`, not finite.
            ShapeError: if it has another shape.
        """
        shape = (*batch, self.task.spec.nu)
        return arrays.numbers("an action", value, shape, self._like, ActionError, not self.blind)

    def _advanced(self, state: State, action: Tensor) -> EnvStep:
        if not self.blind:
            step: EnvStep = self.advance(state, action)
            return step
        broken = ~action.isfinite().all(-1)
        step = self.advance(state, action.masked_fill(broken[:, None], 0.0))
        info = {**step.info, "diverged": step.info["diverged"] | broken}
        return replace(step, truncated=step.truncated | broken, info=info)

    def _restarted(self, episodes: EpisodeBatch, begun: Tensor) -> EpisodeBatch:
        """Begin new episodes in place of those in the mask."""
        count, supply = len(begun), episodes.supply
        if self.blind:
            # On a GPU, drawing costs less than looking.
            new, random = self._draw(count, supply.random)
            return episodes.restarted(new, replace(supply, random=random), partial(_chosen, begun))
        rows = begun.nonzero()[:, 0]
        if not len(rows):
            return episodes
        taken = int(supply.taken)
        if taken + len(rows) > count:
            drawn, random = self._draw(count, supply.random)
            supply, taken = Supply(random, drawn, supply.taken), 0
        upto = taken + len(rows)
        new = NewEpisodes(supply.drawn.state[taken:upto], supply.drawn.observation[taken:upto])
        supply = replace(supply, taken=torch.tensor(upto, device="cpu"))
        return episodes.restarted(new, supply, lambda kept, own: kept.index_copy(0, rows, own))

    def _draw(self, count: int, random: Tensor) -> tuple[NewEpisodes, Tensor]:
        state, random = self.initial_states(count, random)
        return NewEpisodes(state, self.task.observation(state)), random


def _chosen(mask: Tensor, kept: Tensor, own: Tensor) -> Tensor:
    """Take `own` for the episodes in the mask, and what is kept for the others."""
    return torch.where(mask.reshape(-1, *[1] * (kept.ndim - 1)), own, kept)
