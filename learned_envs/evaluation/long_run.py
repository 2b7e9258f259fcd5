"""Do long episodes inside look like those outside? The states that an agent comes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from learned_envs.collect.recorder import Policy, Recorder
from learned_envs.collect.spaces import expect_spaces
from learned_envs.data.recording import Array, Episode, Recording
from learned_envs.data.trajectories import Trajectories
from learned_envs.evaluation.evaluation import offset, still
from learned_envs.evaluation.returns import episode_limit, in_torch
from learned_envs.simulation import Simulation
from learned_envs.state import State
from learned_envs.systems.reference import make_reference, spec_of
from learned_envs.systems.spec import SystemSpec


@dataclass(frozen=True)
class LongRun:
    """How the states of full episodes inside differ from those outside, under one agent.

    The dimensions are those of q, in its tangent space and without travel along the ground, and
    those of v. Dimensions that do not vary outside are left out.

    Attributes:
        mean: (n) each dimension's mean inside minus that outside, in units of the spread outside.
        spread: (n) its standard deviation inside over that outside.
        fell_inside: share of the episodes that the task's rules ended.
        fell_outside: the same outside.
        diverged: share of the episodes inside that left the envelope of the model's data.
    """

    mean: Array
    spread: Array
    fell_inside: float
    fell_outside: float
    diverged: float

    def told(self, name: str) -> str:
        """Say in a line how often an agent falls, and how far states are apart."""
        means = np.abs(self.mean)
        return (
            f"{name}: falls in {self.fell_inside:.0%} of episodes inside and "
            f"{self.fell_outside:.0%} outside, {self.diverged:.0%} leave the data; means of states "
            f"are {np.median(means):.2g} spreads apart in the median and {means.max():.2g} at "
            f"most, spreads inside are {np.median(self.spread):.2g} of those outside in the median"
        )


def long_run(
    policy: Policy, task: str, simulation: Simulation, episodes: int = 100, seed: int = 0
) -> LongRun:
    """Run full episodes outside, and inside from the same starts, with one member an episode.

    Args:
        policy: from observations (*batch, n) to actions (*batch, nu).
        task: the registered name of the task.
        simulation: of that task.
        episodes: how many of each.
        seed: decides the first start and the members.
    """
    spec = simulation.task.spec
    real = run_outside(policy, task, episodes, seed, spec)
    first = torch.as_tensor(real.offsets)
    outside = Trajectories.of(real, spec).states()
    device = simulation.device
    generator = torch.Generator(device).manual_seed(seed)
    start = simulation.dynamics.begin(outside[first].to(device), generator)

    with torch.no_grad():
        rollout = simulation.rollout(start, in_torch(policy), episode_limit(task))
        alive, states = rollout.alive, rollout.states
        fell = rollout.terminated.any(1)
        diverged = ~alive[:, -1] & ~fell
        reached = states[torch.cat((alive[:, :1], alive), 1)]
        inside = coordinates(simulation, reached, outside.to(device))
        truth = coordinates(simulation, outside.to(device), outside.to(device))
    spread = truth.std(0)
    varies = spread > 1e-6
    return LongRun(
        mean=((inside.mean(0) - truth.mean(0)) / spread)[varies].cpu().numpy(),
        spread=(inside.std(0) / spread)[varies].cpu().numpy(),
        fell_inside=float(fell.float().mean()),
        fell_outside=float(real.terminated.mean()),
        diverged=float(diverged.float().mean()),
    )


def run_outside(
    policy: Policy, task: str, episodes: int, seed: int, spec: SystemSpec | None = None
) -> Recording:
    """Record full episodes of a policy in the real environment, from the task's own starts.

    Args:
        policy: from observations (*batch, n) to actions (*batch, nu).
        task: its name.
        episodes: how many.
        seed: decides the first start.
        spec: the system, if that is known.
    """
    spec = spec_of(task) if spec is None else spec
    recorded: list[Episode] = []
    with closing(Recorder(make_reference(task), "agent", recorded.append, spec=spec)) as env:
        expect_spaces(policy, env.observation_space, env.action_space)
        for episode in range(episodes):
            observation, _ = env.reset(seed=seed + episode)
            for _ in range(episode_limit(task)):
                observation, _, terminated, truncated, _ = env.step(policy(observation))
                if terminated or truncated:
                    break
    return Recording.of(recorded)


def coordinates(simulation: Simulation, states: State, origin: State) -> Tensor:
    """Return the compared dimensions of `states` (n, .), from an origin, in double precision."""
    first = still(origin[:1])
    like = State(first.q.expand_as(states.q), first.v.expand_as(states.v))
    offsets = offset(simulation.dynamics.kinematics, like, states).double()
    kept = [i for i in range(offsets.shape[-1]) if i not in simulation.task.spec.cyclic]
    return offsets[:, kept]


def summary(runs: Sequence[LongRun]) -> Mapping[str, float]:
    """Return the figures that a card keeps of one or more agents' runs.

    They are taken over all agents' dimensions. Of the distances of means they are the median and
    the largest; of the ratios of spreads, the median and that with the largest logarithm.
    """
    distance = np.abs(np.concatenate([run.mean for run in runs]))
    ratio = np.concatenate([run.spread for run in runs])
    figures = {
        "mean_median": np.median(distance),
        "mean_largest": distance.max(),
        "spread_median": np.median(ratio),
        "spread_farthest": ratio[np.abs(np.log(np.maximum(ratio, 1e-12))).argmax()],
        "fell_inside": np.mean([run.fell_inside for run in runs]),
        "fell_outside": np.mean([run.fell_outside for run in runs]),
        "diverged": np.mean([run.diverged for run in runs]),
    }
    return {name: float(f"{value:.3g}") for name, value in figures.items()}
