"""Train an SB3 agent inside the learned Hopper, and run the same agent in the real one."""

import gymnasium as gym
import tyro
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

from learned_envs.sb3 import make_vec_env


def main(
    steps: int = 1_000_000,
    episodes: int = 5,
    out: str = "ppo-hopper",
    checkpoint: str | None = None,
) -> None:
    """Train inside, save, load, and score outside.

    Args:
        steps: environment steps to train for.
        episodes: real episodes to score.
        out: where the agent's zip goes.
        checkpoint: a fit's folder or a checkpoint; the shipped weights if not given.
    """
    envs = make_vec_env(
        "LearnedSim-Hopper-v0", n_envs=256, seed=0, env_kwargs={"checkpoint": checkpoint}
    )
    agent = PPO("MlpPolicy", envs, n_steps=32, batch_size=2048, seed=0, device="cpu")
    agent.learn(steps)
    agent.save(out)
    envs.close()

    real = Monitor(gym.make("Hopper-v5"))
    agent = PPO.load(out, env=real, device="cpu")
    mean, spread = evaluate_policy(agent, real, n_eval_episodes=episodes)
    print(f"return in the real Hopper-v5: {mean:.0f} +- {spread:.0f}")
    real.close()


if __name__ == "__main__":
    tyro.cli(main)
