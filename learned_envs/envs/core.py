"""Episodes inside a simulation: how they begin, how they go on, and when they end.

The single, the vector and the functional environment are three ways to hand out what happens here.
Nothing here changes: a batch of episodes goes in, with all randomness that is to come, and another
comes out.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from torch import Tensor

from learned_envs import registry
from learned_envs.argument import numbers
from learned_envs.envs.batch import EnvState, EpisodeBatch, NewEpisodes, Supply
from learned_envs.envs.options import EnvOptions
from learned_envs.envs.step import EnvStep, StepFunction
from learned_envs.errors import ActionError, ParameterError, ResetNeededError
from learned_envs.state import State
from learned_envs.stepping import BatchStep
from learned_envs.tasks.task import Task


class EnvCore:
    """Batches of episodes of one task in one learned model.

    Attributes:
        options: how the episodes run.
        mode: when an episode that has ended begins anew.
        function: a step of the system, in torch.
        advance: the same step, taken the best way that there is.
        device: where the model is.
        blind: whether no value of a tensor may be looked at, because a GPU would be waited for. An
            action that is not finite is then no error but truncates its episode as diverged.
    """

    def __init__(self, task: str, options: EnvOptions, tensors: bool = False) -> None:
        """Load the model.

        Args:
            task: the registered name of the task, or the id of its environment.
            options: how the episodes run; see there for the errors.
            tensors: whether users get tensors on the device.
        """
        simulation = options.load(registry.task_of(task))
        self.options, self.mode = options, options.mode
        self.function = StepFunction.of(simulation, options)
        self.advance = BatchStep(
            self.function,
            compile=options.compile,
            apart=self.function.members if self.function.apart else None,
        )
        self.device = simulation.device
        self._tensors = tensors
        self.blind = tensors and self.device.type != "cpu"
        self._simulation = simulation
        self._like = simulation.dynamics.q_low
        self._starts = options.starts_in(simulation)
        self._limit = options.limit

    @property
    def task(self) -> Task:
        """What is asked."""
        return self._simulation.task

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
        state = self._simulation.reset(count, generator, mean)
        if self._starts is not None and fraction > 0:
            rows = torch.randint(
                len(self._starts.q), (count,), generator=generator, device=self.device
            )
            chosen = torch.rand(count, generator=generator, device=self.device) < fraction
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
        supply = Supply(random, new, torch.tensor(count))
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
        after = EpisodeBatch(step.state, step.observation, elapsed, ended, episodes.supply)
        after = self._restarted(after, begun)
        return EnvState(after, reward, terminated, truncated, step.info, step.observation, begun)

    def moved(
        self, episodes: EpisodeBatch, q: object, v: object, mask: Tensor | None
    ) -> EpisodeBatch:
        """Return the episodes with their systems, or those of a mask, moved; see `placed`."""
        state, ended = self.placed(episodes.state, q, v), episodes.ended
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
        return numbers("an action", value, shape, self._like, ActionError, not self.blind)

    def placed(self, state: State, q: object, v: object) -> State:
        """Return `state` moved elsewhere.

        Args:
            state: of the shape (*batch, .) that q and v must have.
            q: positions, (*batch, nq), numpy or torch. Then what the state remembers, its member
                above all, stays. Or a `State`: what that remembers comes along.
            v: velocities, (*batch, nv); None beside a `State`.

        Raises:
            ShapeError: if something has another shape.
            ParameterError: if it is not numeric or not finite, or if the state remembers what
                states of this environment do not.
        """
        if isinstance(q, State):
            if v is not None:
                raise ParameterError("Got a State and v, expected a State alone, or q and v.")
            moved = self.placed(state, q.q, q.v)
            return replace(moved, memory={**state.memory, **self._remembered(state, q)})
        return State(
            numbers("q", q, tuple(state.q.shape), state.q).clone(),
            numbers("v", v, tuple(state.v.shape), state.v).clone(),
            state.memory,
        )

    def _remembered(self, state: State, given: State) -> dict[str, Tensor]:
        """Return the memory that a user gave, checked against that of a state of this core."""
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
            if (
                name == "member"
                and not (
                    (checked >= 0) & (checked < self.members) & (checked == memory[name])
                ).all()
            ):
                raise ParameterError(
                    f"Got member={checked.tolist()}, expected whole numbers from 0 to "
                    f"{self.members - 1}."
                )
        return memory

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
        supply = replace(supply, taken=torch.tensor(upto))
        return episodes.restarted(new, supply, lambda kept, own: kept.index_copy(0, rows, own))

    def _draw(self, count: int, random: Tensor) -> tuple[NewEpisodes, Tensor]:
        state, random = self.initial_states(count, random)
        return NewEpisodes(state, self.task.observation(state)), random


def _chosen(mask: Tensor, kept: Tensor, own: Tensor) -> Tensor:
    """Take `own` for the episodes in the mask, and what is kept for the others."""
    return torch.where(mask.reshape(-1, *[1] * (kept.ndim - 1)), own, kept)
