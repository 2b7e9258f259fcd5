"""The rules of InvertedPendulum-v5 and Reacher-v5, by hand."""

import gymnasium as gym

from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.graph import Graph


def inverted_pendulum() -> Graph:
    build = GraphBuilder()
    q, v = build.input("after.qpos", (2,)), build.input("after.qvel", (2,))
    seen = build.cat([q, v])
    finite = build.reduce("all", build.add("isfinite", seen))
    angle = build.view(build.take(seen, 0, [1]), ())
    over = build.add("gt", build.add("abs", angle), 0.2)
    terminated = build.add("bitwise_or", build.add("bitwise_not", finite), over)
    reward = build.cast(build.add("bitwise_not", terminated), "float")
    return build.graph(
        {
            "observation": seen,
            "reward": reward,
            "terminated": terminated,
            "truncated": build.constant(False),
            "info.reward_survive": reward,
            "ctrl": build.input("action", (1,)),
        }
    )


def pendulum_env() -> gym.Env:
    return gym.make("InvertedPendulum-v5")
