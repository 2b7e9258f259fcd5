"""What do predicted readings of sensors do to an agent that sees them?

    python benchmarks/solver_sensors.py runs/ant/agent.zip --checkpoint runs/ant
    python benchmarks/solver_sensors.py runs/ant/agent.zip --checkpoint runs/ant --train 1000000

What MuJoCo's solver makes, such as the forces of contacts, is predicted by a head of the model. The
same agent runs three kinds of episodes inside, from the same starts, and acts on

- `predicted`: what the environment shows;
- `true`: the same with MuJoCo's own readings. MuJoCo is set to the state that the learned episode
  reached, with the action in its controls. What no state says, such as a reading that is known by
  its place in the observation alone, is that of the same step taken again from the state before;
- `zero`: the same with zeros for readings.

The table shows the agent's return, and how far its actions are from those on the other two, in half
widths of the range of actions. Then it says how far predicted readings are from the true ones in
the states of the first kind, and how many within the spreads that the model says.

`--train` trains two agents inside, one that sees everything and one to whom all numbers that come
of readings are zero, and scores both inside and in the real environment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.vec_env import VecEnvWrapper
from torch import Tensor

from learned_envs import Simulation
from learned_envs.card import read_card
from learned_envs.collect.recorder import Policy
from learned_envs.data.recording import Array
from learned_envs.evaluation.returns import episode_limit, returns_outside, rewards_inside
from learned_envs.evaluation.sensors import figures_of
from learned_envs.figures import SensorFigures
from learned_envs.registry import task_entry
from learned_envs.sb3 import Agent, AgentConfig, train_agent, training_envs
from learned_envs.state import State
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.columns import CALL, STEP, read_quantity
from learned_envs.systems.reference import make_reference
from learned_envs.systems.sensor import Sensor
from learned_envs.tasks.task import Readings, Transition

KINDS = ("predicted", "true", "zero")


@dataclass(frozen=True)
class Options:
    """Compare what an agent does on predicted, true and no readings of sensors."""

    agent: tyro.conf.Positional[Path | None] = None
    """A zip of SB3, which can run code, or an agent's folder."""
    checkpoint: str = "InvertedDoublePendulum"
    """A fit's folder, a checkpoint, or the name of a task with shipped weights."""
    episodes: int = 20
    """Episodes of each kind."""
    steps: int | None = None
    """Steps after which they are cut; those of the real environment if not given."""
    train: int = 0
    """Steps inside of two agents that see readings and do not; 0 trains none."""
    seed: int = 0
    """Decides starts, members and agents."""


def true_readings(
    real: Adapter, sensors: Sequence[Sensor], before: State, action: Tensor, after: State
) -> dict[str, Tensor]:
    """Return what MuJoCo's sensors read, (batch, size) by name.

    Args:
        real: the environment.
        sensors: what to read.
        before: states (batch) that a step began in.
        action: (batch, nu).
        after: the states that it reached.
    """
    settled = [s for s in sensors if s.array and not s.array.startswith((STEP, CALL))]
    stepped = [s for s in sensors if s not in settled]
    names = [slot.name for slot in real.slots]
    rows: dict[str, list[Array]] = {sensor.name: [] for sensor in sensors}

    def place(states: State, index: int) -> None:
        leaves = {name: states.memory[name][index].double().numpy() for name in names}
        real.set_state(states.q[index].double().numpy(), states.v[index].double().numpy(), leaves)

    for index, control in enumerate(action.double().numpy()):
        if settled:
            place(after, index)
            if real.model.nu == len(control):
                real.data.ctrl[:] = control
            mujoco.mj_forward(real.model, real.data)
            mujoco.mj_rnePostConstraint(real.model, real.data)
            for sensor in settled:
                read = read_quantity(real.model, real.data, sensor.array)
                rows[sensor.name].append(read.ravel()[sensor.slice])
        if stepped:
            place(before, index)
            observation, reward, terminated, *_ = real.step(control)
            told = {f"{STEP}reward": reward, f"{STEP}terminated": float(terminated)}
            for sensor in stepped:
                if sensor.place is not None:
                    rows[sensor.name].append(observation[sensor.columns])
                elif sensor.array in told:
                    rows[sensor.name].append(np.array([told[sensor.array]]))
                else:
                    raise SystemExit(
                        f"{sensor.name} is what a method returns; it is not read here."
                    )
    return {name: torch.tensor(np.array(read)).float() for name, read in rows.items()}


@dataclass(frozen=True)
class Run:
    """Episodes of one kind.

    Attributes:
        returns: (episodes).
        apart: mean distance of actions from those on each other kind of readings.
        steps: those that were taken.
        predicted, spreads, true: of each sensor, (steps, size) by its name.
    """

    returns: Tensor
    apart: Mapping[str, float]
    predicted: Readings
    spreads: Readings
    true: Readings


@torch.no_grad()
def run(options: Options, simulation: Simulation, real: Adapter, policy: Policy, kind: str) -> Run:
    """Run episodes in which an agent acts on one kind of readings."""
    task, sensors = simulation.task, simulation.task.sensors
    asked = simulation.with_readings()
    state = simulation.reset(options.episodes, torch.Generator().manual_seed(options.seed))
    seen = dict.fromkeys(KINDS, task.observation(state))
    alive = torch.ones(options.episodes, dtype=torch.bool)
    returns, apart = torch.zeros(options.episodes), dict.fromkeys(KINDS, 0.0)
    found: dict[str, list[Readings]] = {"predicted": [], "spreads": [], "true": []}
    half, count = torch.tensor(task.action_space.high - task.action_space.low) / 2, 0
    for _ in range(options.steps or episode_limit(read_card(options.checkpoint).task)):
        acted = {
            name: torch.as_tensor(policy(shown.double().numpy()), dtype=torch.float32)
            for name, shown in seen.items()
        }
        for name, action in acted.items():
            apart[name] += float(((action - acted[kind]) / half).abs().mean(-1)[alive].sum())
        count += int(alive.sum())
        action = acted[kind]
        step = asked.step(state, action)
        true = true_readings(real, sensors, state, action, step.state)
        zero = {name: torch.zeros_like(read) for name, read in true.items()}
        moved = simulation.dynamics.kinematics.difference(state.q, step.state.q)
        given = dict(zip(KINDS, (step.readings, true, zero), strict=True))
        seen = {
            name: task.judge(Transition(state, action, step.state, moved, read)).observation
            for name, read in given.items()
        }
        for name, read in (("predicted", step.readings), ("spreads", step.spreads), ("true", true)):
            found[name].append({sensor: values[alive] for sensor, values in read.items()})
        returns += step.reward * alive
        cut = step.diverged if step.truncated is None else step.diverged | step.truncated
        alive &= ~(step.terminated | cut)
        state = step.state
        if not alive.any():
            break
    joined = {
        name: {sensor: torch.cat([part[sensor] for part in parts]) for sensor in parts[0]}
        for name, parts in found.items()
    }
    distances = {name: total / count for name, total in apart.items() if name != kind}
    return Run(returns, distances, **joined)


def figures(run: Run) -> dict[str, SensorFigures]:
    """Compare predicted readings with the true ones of the same states."""
    found = {
        name: figures_of(true, run.predicted[name], run.spreads.get(name))
        for name, true in run.true.items()
    }
    return {name: each for name, each in found.items() if each is not None}


def columns_of_readings(simulation: Simulation) -> list[int]:
    """Return which numbers of an observation come of readings."""
    task, generator = simulation.task, torch.Generator().manual_seed(0)
    state = simulation.reset(4, generator)
    action, still = torch.zeros(4, task.spec.nu), torch.zeros(4, task.spec.nv)
    shown = []
    for scale in (0.0, 1.0, 1e-3):
        read = {
            s.name: scale * torch.randn(4, s.size, generator=generator).abs() for s in task.sensors
        }
        shown.append(task.judge(Transition(state, action, state, still, read)).observation)
    differ = (shown[0] != shown[1]) | (shown[0] != shown[2])
    return differ.any(0).nonzero()[:, 0].tolist()


class Blind(VecEnvWrapper):
    """Environments some of whose observations are zero."""

    def __init__(self, venv: Any, columns: Sequence[int]) -> None:
        super().__init__(venv)
        self._columns = list(columns)

    def reset(self) -> Any:
        """Begin."""
        return blinded(self._columns, self.venv.reset())

    def step_wait(self) -> Any:
        """Step."""
        observation, reward, done, infos = self.venv.step_wait()
        for info in infos:
            if "terminal_observation" in info:
                info["terminal_observation"] = blinded(self._columns, info["terminal_observation"])
        return blinded(self._columns, observation), reward, done, infos


def blinded(columns: Sequence[int], observation: Any) -> Array:
    """Return observations with zeros in some columns."""
    shown = np.array(observation)
    shown[..., list(columns)] = 0.0
    return shown


def trained(options: Options, simulation: Simulation) -> dict[str, tuple[float, float]]:
    """Train an agent with readings and one without; return their returns inside and outside."""
    task = read_card(options.checkpoint).task
    entry, steps = task_entry(task), options.steps or episode_limit(task)
    config = AgentConfig.of(task)
    found = {}
    for name, columns in (("with", []), ("without", columns_of_readings(simulation))):
        envs = training_envs(task, config, {"checkpoint": options.checkpoint})
        with closing(Blind(envs, columns)) as blind:
            agent = train_agent(blind, options.train, config, options.seed)
        policy = partial(acted, agent, columns)
        inside = rewards_inside(policy, simulation, options.episodes, steps, options.seed)
        outside = returns_outside(
            policy, entry.reference_id, options.episodes, options.seed, entry.kwargs
        )
        found[name] = float(inside.sum(1).mean()), float(outside.mean())
    return found


def acted(agent: Agent, columns: Sequence[int], observation: Array) -> Array:
    """Return an agent's actions on what it is shown of observations."""
    return agent(blinded(columns, observation))


def main(options: Options) -> dict[str, Any]:
    """Run, train, print and return the figures."""
    simulation, console = Simulation.load(options.checkpoint), Console(width=110)
    if not simulation.task.sensors:
        raise SystemExit(
            f"{options.checkpoint} learns no sensor: all it shows follows from q and v."
        )
    result: dict[str, Any] = {}
    if options.agent is not None:
        agent = Agent.load(options.agent)
        agent.check_spaces(simulation.task.observation_space, simulation.task.action_space)
        with closing(make_reference(read_card(options.checkpoint).task)) as env:
            env.reset(seed=options.seed)
            real = Adapter(env, simulation.task.spec.leaves)
            runs = {kind: run(options, simulation, real, agent, kind) for kind in KINDS}
        table = Table(
            *("acts on", "return inside", *(f"from {kind}" for kind in KINDS)),
            title=f"{options.checkpoint}: {options.episodes} episodes of each kind",
        )
        for kind, of in runs.items():
            cells = [f"{of.apart[each]:.3f}" if each in of.apart else "" for each in KINDS]
            table.add_row(kind, f"{of.returns.mean():,.5g} ± {of.returns.std():,.3g}", *cells)
        console.print(table)
        result = {"runs": runs, "readings": figures(runs["predicted"])}
        for name, told in result["readings"].items():
            console.print(told.told(name))
    if options.train:
        result["trained"] = trained(options, simulation)
        for name, (inside, outside) in result["trained"].items():
            console.print(f"trained {name} readings: {inside:,.5g} inside, {outside:,.5g} outside")
    if not result:
        raise SystemExit("Name an agent, or how long to train two by --train.")
    return result


if __name__ == "__main__":
    main(tyro.cli(Options))
