"""Stable-Baselines3: learned environments as a `VecEnv`, and agents that train in them."""

from learned_envs.sb3.agent import Agent, SavedAgent
from learned_envs.sb3.config import AgentConfig
from learned_envs.sb3.improver import Improver
from learned_envs.sb3.learning_curve import LearningCurve
from learned_envs.sb3.making import make_vec_env
from learned_envs.sb3.normalisation import Normalisation
from learned_envs.sb3.training import learn_outside, train_agent, training_envs
from learned_envs.sb3.vec_env import LearnedVecEnv

__all__ = [
    "Agent",
    "AgentConfig",
    "Improver",
    "LearnedVecEnv",
    "LearningCurve",
    "Normalisation",
    "SavedAgent",
    "learn_outside",
    "make_vec_env",
    "train_agent",
    "training_envs",
]
