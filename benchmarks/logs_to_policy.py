"""Does an agent that learnt in a fit to recordings do as well on the robot as its own agent?

    python benchmarks/logs_to_policy.py --steps 300000 --seeds 2

The robot is `robot_logs.py`'s cart with two poles: real MuJoCo, whose commands have their effect
two steps later, whose positions are measured with noise of a thousandth, and whose velocities come
from a causal filter of these. It is recorded under random commands, fitted to, and balanced: an
agent is paid for the height of the tip, and an episode ends where the tip is low. PPO learns with
one setting in the fit and on the robot, and both are scored on the robot, by the mean return of 50
episodes; so is a random one. The score is what is gained over random, as a share of what the
robot's own agent gains.
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
    episodes: int = 60
    """Recordings."""
    rows: int = 500
    """Of each."""
    updates: int = 4000
    """Gradient steps of the fit."""
    out: Path = Path("runs/logs-to-policy")
    """Where recordings and the fit go."""


class Cart(gym.Env[Array, Array]):
    """The robot, as its owner meets it."""

    def __init__(self, rules: Path) -> None:
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
        return self._measured(), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, Info]:
        """Tell it what to do in two steps from now."""
        before = self.data.qpos.copy(), self.data.qvel.copy()
        self.told.append(np.asarray(action))
        self.data.ctrl[:] = self.told.pop(0)
        mujoco.mj_step(self.model, self.data, round(STEP / self.model.opt.timestep))
        self.steps += 1
        reward = self.rules.reward(*before, action, self.data.qpos, self.data.qvel)
        over = bool(self.rules.terminated(self.data.qpos, self.data.qvel))
        return self._measured(), float(reward), over, self.steps >= LIMIT, {}

    def _measured(self) -> Array:
        noisy = self.data.qpos + self.np_random.normal(0.0, NOISE, 3)
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
    table = Table("learnt", "seed", "inside", "on the robot", "minutes", title="mean returns")
    scores: dict[str, list[float]] = {"random": [], "inside": [], "on the robot": []}
    for seed in range(options.seeds):
        for where, found in scores.items():
            began = time.perf_counter()
            envs = _envs(where, options, rules, seed)
            agent = PPO("MlpPolicy", envs, n_steps=128, batch_size=512, gamma=0.98, seed=seed)
            if where != "random":
                agent.learn(options.steps)
            minutes = (time.perf_counter() - began) / 60
            own = "" if where != "inside" else f"{_score(agent, envs):.1f}"
            found.append(_score(agent, _envs("on the robot", options, rules, 1000)))
            table.add_row(where, str(seed), own, f"{found[-1]:.1f}", f"{minutes:.1f}")
    mean = {where: float(np.mean(found)) for where, found in scores.items()}
    gained = (mean["inside"] - mean["random"]) / (mean["on the robot"] - mean["random"])
    table.caption = f"score {gained:.2f}"
    Console().print(table)


def _envs(where: str, options: Options, rules: Path, seed: int) -> VecEnv:
    if where == "inside":
        kwargs = {"checkpoint": str(options.out / "fit"), "max_episode_steps": LIMIT}
        return make_vec_env("LearnedSim-v0", n_envs=16, seed=seed, env_kwargs=kwargs)
    return make_real(Cart, n_envs=16, seed=seed, env_kwargs={"rules": rules})


def _score(agent: PPO, envs: VecEnv) -> float:
    mean, _ = evaluate_policy(agent, envs, n_eval_episodes=50)
    return float(np.mean(mean))


if __name__ == "__main__":
    main(tyro.cli(Options))
