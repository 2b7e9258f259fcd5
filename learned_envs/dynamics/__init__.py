"""One file a model family: how the state of a system moves."""

from learned_envs.dynamics.dynamics import Dynamics, Family, Prediction
from learned_envs.dynamics.ensemble import Ensemble

__all__ = ["Dynamics", "Ensemble", "Family", "Prediction"]
