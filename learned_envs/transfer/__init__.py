"""Train an agent inside a learned environment and score it outside, in the real one."""

from learned_envs.transfer.demo import DEMO_STEPS, DemoResult, run_demo
from learned_envs.transfer.scoring import (
    Policy,
    Transfer,
    episode_returns,
    score,
    steps_per_second,
)
from learned_envs.transfer.training import LearningCurve, train_inside, train_outside

__all__ = [
    "DEMO_STEPS",
    "DemoResult",
    "LearningCurve",
    "Policy",
    "Transfer",
    "episode_returns",
    "run_demo",
    "score",
    "steps_per_second",
    "train_inside",
    "train_outside",
]
