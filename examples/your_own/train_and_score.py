"""Train SB3's PPO inside the learned arm and outside in the real one, and score both outside."""

import time

import gymnasium as gym
import numpy as np
import presser  # noqa: F401  # registers Presser-v0
import tyro
from stable_baselines3 import PPO
from stable_baselines3.common import env_util
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv

from learned_envs import sb3

REAL = "Presser-v0"
N_ENVS = 16
SETTINGS = {
    "n_steps": 128,
    "batch_size": 128,
    "gamma": 0.95,
    "gae_lambda": 0.9,
    "learning_rate": 5e-4,
}


class Chance:
    """Acts at random, and so says what a score of nothing is."""

    def __init__(self, seed: int) -> None:
        self.space = gym.make(REAL).action_space
        self.space.seed(seed)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        """Draw an action for each of the observations."""
        return np.stack([self.space.sample() for _ in observation]), state


def trained(envs: VecEnv, steps: int, seed: int) -> BaseAlgorithm:
    """Train an agent, with the same settings wherever it is trained."""
    agent = PPO("MlpPolicy", envs, seed=seed, device="cpu", **SETTINGS)
    return agent.learn(steps)


def scored(agent, envs: VecEnv, episodes: int) -> float:
    """Return the mean return of the agent's episodes."""
    envs.seed(1000)
    return float(np.mean(evaluate_policy(agent, envs, episodes)[0]))


def main(
    checkpoint: str = "runs/mine",
    steps: int = 200_000,
    episodes: int = 20,
    seeds: tuple[int, ...] = (0, 1, 2),
) -> None:
    """Print what agents return that were trained inside and outside.

    Args:
        checkpoint: the folder of the fit.
        steps: environment steps to train for.
        episodes: episodes in a score.
        seeds: one agent each, inside and outside.
    """
    real = env_util.make_vec_env(REAL, N_ENVS)
    learned = sb3.make_vec_env("LearnedSim-v0", N_ENVS, env_kwargs={"checkpoint": checkpoint})
    # Episodes that are cut where the members of the ensemble disagree return less.
    uncut = sb3.make_vec_env(
        "LearnedSim-v0", N_ENVS, env_kwargs={"checkpoint": checkpoint, "max_disagreement": None}
    )
    by_chance = scored(Chance(0), real, episodes)
    print(f"random actions: {by_chance:.0f}", flush=True)
    returns = []
    for seed in seeds:
        took = []
        agents = []
        for envs in (learned, real):
            envs.seed(seed)
            began = time.perf_counter()
            agents.append(trained(envs, steps, seed))
            took.append(time.perf_counter() - began)
        inside, outside = agents
        returns.append([scored(inside, real, episodes), scored(outside, real, episodes)])
        print(
            f"seed {seed}: trained inside {returns[-1][0]:.0f} outside "
            f"(and {scored(inside, uncut, episodes):.0f} inside) in {took[0]:.0f} s, "
            f"trained outside {returns[-1][1]:.0f} in {took[1]:.0f} s",
            flush=True,
        )
    inside, outside = np.mean(returns, axis=0)
    score = (inside - by_chance) / (outside - by_chance)
    print(f"trained inside {inside:.0f}, trained outside {outside:.0f}, score {score:.2f}")


if __name__ == "__main__":
    tyro.cli(main)
