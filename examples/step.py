"""Step learned Hoppers: one through `gym.make`, a thousand at once through `gym.make_vec`."""

import time

import gymnasium as gym
import tyro

import learned_envs

gym.register_envs(learned_envs)


def main(steps: int = 500, checkpoint: str | None = None) -> None:
    """Step one environment, then many.

    Args:
        steps: steps of each.
        checkpoint: a fit's folder or a checkpoint; the shipped weights if not given.
    """
    env = gym.make("LearnedSim-Hopper-v0", checkpoint=checkpoint)
    env.reset(seed=0)
    env.action_space.seed(0)
    total, episodes = 0.0, 0
    for _ in range(steps):
        _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        total += float(reward)
        if terminated or truncated:
            env.reset()
            episodes += 1
    print(f"one environment: {episodes} episodes, mean reward {total / steps:.3f}")
    env.close()

    envs = gym.make_vec("LearnedSim-Hopper-v0", num_envs=1024, checkpoint=checkpoint)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    actions = envs.action_space.sample()
    began = time.perf_counter()
    for _ in range(steps):
        observations, _, _, _, _ = envs.step(actions)
    speed = steps * envs.num_envs / (time.perf_counter() - began)
    print(f"{envs.num_envs} environments: {speed:,.0f} steps/s, observations {observations.shape}")
    envs.close()


if __name__ == "__main__":
    tyro.cli(main)
