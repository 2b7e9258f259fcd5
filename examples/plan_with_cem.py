"""Control a real environment by planning with its learned model, with MuJoCo, and at random."""

import gymnasium as gym
import torch
import tyro

from learned_envs import Simulation, State, registry
from learned_envs.collect.planner import real_returns
from learned_envs.planning import CEM, Planner, imagined_returns


def main(
    task: str = "HalfCheetah", steps: int = 200, horizon: int = 30, checkpoint: str | None = None
) -> None:
    """Plan and act, and act at random.

    Args:
        task: such as InvertedPendulum, Reacher or HalfCheetah.
        steps: real steps.
        horizon: steps that are imagined.
        checkpoint: a fit's folder or a checkpoint; the shipped weights if not given.
    """
    simulation = Simulation.load(checkpoint or task)
    env = gym.make(registry.reference_id(task))
    models = {
        "planning in the learned model": imagined_returns(simulation),
        "planning in MuJoCo": real_returns(simulation.task, env),
        "acting at random": None,
    }
    for name, returns in models.items():
        env.reset(seed=0)
        env.action_space.seed(0)
        plan = Planner(returns, simulation.task.spec, CEM(horizon=horizon)) if returns else None
        total = 0.0
        for _ in range(steps):
            data = env.unwrapped.data
            state = State(torch.tensor(data.qpos)[None], torch.tensor(data.qvel)[None])
            action = plan(state)[0].float().numpy() if plan else env.action_space.sample()
            _, reward, terminated, truncated, _ = env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        print(f"{name}: return in the real {task} {total:,.1f}")


if __name__ == "__main__":
    tyro.cli(main)
