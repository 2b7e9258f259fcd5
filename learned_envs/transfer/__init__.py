"""Train an agent inside, in a learned environment, and score it outside, in the real one."""

from learned_envs.collect.recorder import Policy
from learned_envs.evaluation.long_run import LongRun, long_run, summary
from learned_envs.transfer.comparison import Comparison
from learned_envs.transfer.demo import DEMO_STEPS, DemoResult, run_demo
from learned_envs.transfer.scoring import (
    Transfer,
    episode_returns,
    random_policy,
    score,
    steps_per_second,
)
from learned_envs.transfer.training import train_inside, train_outside

__all__ = [
    "DEMO_STEPS",
    "Comparison",
    "DemoResult",
    "LongRun",
    "Policy",
    "Transfer",
    "episode_returns",
    "long_run",
    "random_policy",
    "run_demo",
    "score",
    "steps_per_second",
    "summary",
    "train_inside",
    "train_outside",
]
