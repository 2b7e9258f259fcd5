"""Does an agent that learnt in a fit to recordings do as well on the robot as its own agent?

    python benchmarks/logs_to_policy.py --steps 300000 --seeds 2

The robot is `robot_logs.py`'s cart with two poles: real MuJoCo, whose commands have their effect
two steps later, and whose positions are measured with noise of a thousandth. It is recorded under
random commands, fitted to, and balanced: an agent is paid for the height of the tip, and an episode
ends where the tip is low. PPO learns with one setting in the fit and on the robot, and both are
scored on the robot, by the mean return of 50 episodes; so is a random one. The robot's own agent
sees velocities of a causal filter of positions, as nothing else is there without a model. That from
the fit is scored with the fit's `StateEstimator`, and with the causal filter. The score is what is
gained over random, as a share of what the robot's own agent gains.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import torch
import tyro
from from_logs import map_of
from gymnasium.spaces import Box
from log_files import write_csv
from rich.console import Console
from rich.table import Table
from robot_logs import DELAY, NOISE, STEP, model_of, recorded
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env as make_real
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv

from learned_envs.fit import FitConfig, TrainingConfig
from learned_envs.logs.estimator import StateEstimator
from learned_envs.logs.fitting import Recorded, fit_recordings
from learned_envs.logs.smoothing import CausalFilter
from learned_envs.sb3 import make_vec_env
from learned_envs.systems.logged import load_rules

RULES = """
import numpy as np


def height(qpos):
    return 0.5 * (np.cos(qpos[1]) + np.cos(qpos[1] + qpos[2]))


def observation(qpos, qvel):
    return np.concatenate([qpos[:1], np.sin(qpos[1:]), np.cos(qpos[1:]), np.tanh(0.1 * qvel)])


def reward(qpos, qvel, action, next_qpos, next_qvel):
    return height(next_qpos) - 0.1 * next_qpos[0] ** 2


def terminated(qpos, qvel):
    return height(qpos) < 0.7
"""

LIMIT = 500
"""Steps of an episode, which is 10 s."""

Array = np.ndarray[Any, Any]
Info = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """From recordings to a policy."""

    steps: int = 300_000
    """Of each agent."""
    seeds: int = 2
    """Agents of each kind."""
    episodes: int = 300
    """Recordings."""
    rows: int = 100
    """Of each: it is put up again as soon as it has fallen."""
    updates: int = 4000
    """Gradient steps of the fit."""
    out: Path = Path("runs/logs-to-policy")
    """Where recordings and the fit go."""


class Cart(gym.Env[Array, Array]):
    """The robot, as its owner meets it."""

    def __init__(self, rules: Path, estimator: StateEstimator | None = None) -> None:
        self.estimator = estimator
        self.rules: ModuleType = load_rules(rules)
        self.model = model_of("cart")
        self.data = mujoco.MjData(self.model)
        self.action_space = Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space = Box(-np.inf, np.inf, (8,), np.float64)
        self.filters = _filters()

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Array, Info]:
        """Put it up, with a little noise."""
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = self.np_random.normal(0.0, 0.1, 3)
        self.told = [np.zeros(1)] * DELAY
        self.states: list[Array | None] = [None] * 3
        self.steps = 0
        return self._measured(None), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, Info]:
        """Tell it what to do in two steps from now."""
        before = self.data.qpos.copy(), self.data.qvel.copy()
        self.told.append(np.asarray(action))
        self.data.ctrl[:] = self.told.pop(0)
        mujoco.mj_step(self.model, self.data, round(STEP / self.model.opt.timestep))
        self.steps += 1
        reward = self.rules.reward(*before, action, self.data.qpos, self.data.qvel)
        over = bool(self.rules.terminated(self.data.qpos, self.data.qvel))
        return self._measured(action), float(reward), over, self.steps >= LIMIT, {}

    def _measured(self, told: Array | None) -> Array:
        noisy = self.data.qpos + self.np_random.normal(0.0, NOISE, 3)
        if self.estimator is not None:
            if told is None:
                self.estimated = self.estimator.start(noisy)
            else:
                self.estimated = self.estimator.step(self.estimated, told, noisy)
            q, v = (x[0].double().numpy() for x in (self.estimated.q, self.estimated.v))
            return np.asarray(self.rules.observation(q, v))
        for place, (each, value) in enumerate(zip(self.filters, noisy, strict=True)):
            self.states[place] = each.step(self.states[place], float(value))
        velocity = np.array([state[1] for state in self.states if state is not None])
        return np.asarray(self.rules.observation(noisy, velocity))


@cache
def _filters() -> list[CausalFilter]:
    measured = recorded("cart", 0, 500).joints
    return [CausalFilter.of(STEP, column) for column in measured.values()]


def main(options: Options) -> None:
    torch.set_num_threads(1)
    folder = options.out / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    rules = options.out / "rules.py"
    rules.write_text(RULES)
    logs = [recorded("cart", seed, options.rows) for seed in range(options.episodes)]
    for index, log in enumerate(logs):
        write_csv(log, folder / f"{index:03d}")
    training = TrainingConfig(members=2, updates=options.updates, horizons=(2, 4, 8))
    made = Recorded(folder, map_of("cart", logs[0]), rules=rules)
    fit_recordings(made, options.out / "fit", FitConfig(training=training), choose=False)
    estimator = StateEstimator.of(options.out / "fit")
    columns = ("learnt", "seed", "inside", "on the robot", "by the causal filter", "minutes")
    table = Table(*columns, title="mean returns")
    scores: dict[str, list[float]] = {"random": [], "inside": [], "on the robot": []}
    filtered = []
    for seed in range(options.seeds):
        for where, found in scores.items():
            began = time.perf_counter()
            envs = _envs(where, options, rules, seed)
            agent = PPO("MlpPolicy", envs, n_steps=128, batch_size=512, gamma=0.98, seed=seed)
            if where != "random":
                agent.learn(options.steps)
            minutes = (time.perf_counter() - began) / 60
            causal = _score(agent, _envs("on the robot", options, rules, 1000))
            row = ["", f"{causal:.1f}", ""]
            found.append(causal)
            if where == "inside":
                found[-1] = _score(agent, _envs("on the robot", options, rules, 1000, estimator))
                filtered.append(causal)
                row = [f"{_score(agent, envs):.1f}", f"{found[-1]:.1f}", f"{causal:.1f}"]
            table.add_row(where, str(seed), *row, f"{minutes:.1f}")
    mean = {where: float(np.mean(found)) for where, found in scores.items()}
    best = mean["on the robot"] - mean["random"]
    score, plain = (
        (gained - mean["random"]) / best for gained in (mean["inside"], float(np.mean(filtered)))
    )
    table.caption = f"score {score:.2f}; {plain:.2f} by the causal filter"
    Console().print(table)


def _envs(
    where: str, options: Options, rules: Path, seed: int, estimator: StateEstimator | None = None
) -> VecEnv:
    if where == "inside":
        kwargs = {"checkpoint": str(options.out / "fit"), "max_episode_steps": LIMIT}
        return make_vec_env("LearnedSim-v0", n_envs=16, seed=seed, env_kwargs=kwargs)
    kwargs = {"rules": rules, "estimator": estimator}
    return make_real(Cart, n_envs=16, seed=seed, env_kwargs=kwargs)


def _score(agent: PPO, envs: VecEnv) -> float:
    mean, _ = evaluate_policy(agent, envs, n_eval_episodes=50)
    return float(np.mean(mean))


if __name__ == "__main__":
    main(tyro.cli(Options))
