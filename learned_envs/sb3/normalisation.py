"""What an agent normalises its observations by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecNormalize

from learned_envs.errors import ParameterError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Normalisation:
    """What SB3's VecNormalize learned of observations; an agent's zip does not hold it.

    >>> normalise = Normalisation(np.zeros(2), np.ones(2), clip=10.0, epsilon=0.0)
    >>> normalise(np.array([0.5, 99.0]))
    array([ 0.5, 10. ], dtype=float32)

    Attributes:
        mean, variance: (n) each.
        clip: bound on a normalised observation.
        epsilon: added to the variance.

    Raises:
        ParameterError: if these are no statistics of observations (n).
    """

    mean: Array
    variance: Array
    clip: float
    epsilon: float

    def __post_init__(self) -> None:
        shapes = np.shape(self.mean), np.shape(self.variance)
        scale = np.asarray(self.variance) + self.epsilon
        if shapes[0] != shapes[1] or len(shapes[0]) != 1:
            raise ParameterError(
                f"Got a mean and a variance of the shapes {shapes[0]} and {shapes[1]}, expected "
                "(n) for both, where n is the size of an observation."
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(scale).all() and (scale > 0).all()):
            raise ParameterError(
                "Got statistics that are not finite, or a variance that is not positive: nothing "
                "can be normalised by them."
            )
        if not self.clip > 0:
            raise ParameterError(f"Got clip={self.clip}, expected a positive number.")

    @classmethod
    def of(cls, envs: VecNormalize) -> Normalisation:
        """Copy what the wrapper has learned so far.

        Raises:
            ParameterError: if it does not normalise observations, or those are dictionaries.
        """
        seen: Any = envs.obs_rms if envs.norm_obs else None
        if seen is None or isinstance(seen, dict):
            what = "dictionaries" if seen else "nothing, because of norm_obs=False"
            raise ParameterError(
                f"Got a VecNormalize that normalises {what}; expected one of observations (n). "
                "Leave out the normalisation of an agent that has none."
            )
        return cls(seen.mean.copy(), seen.var.copy(), envs.clip_obs, envs.epsilon)

    def restore(self, envs: VecNormalize, count: int) -> None:
        """Let the wrapper go on from these statistics, as if `count` observations gave them."""
        seen: Any = envs.obs_rms
        seen.mean, seen.var, seen.count = self.mean.copy(), self.variance.copy(), count

    def __call__(self, observation: Array) -> Array:
        """Normalise observations, (*batch, n)."""
        standard = (observation - self.mean) / np.sqrt(self.variance + self.epsilon)
        return np.asarray(np.clip(standard, -self.clip, self.clip), dtype=np.float32)
