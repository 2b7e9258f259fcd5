"""Actions for Hoppers, and when two of them did the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

Make = Callable[..., Any]

MODES = list(AutoresetMode)


def actions(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, 3)).astype(np.float32)


def assert_same(ours: Any, theirs: Any) -> None:
    """Compare infos or arrays.

    Single environments step in numpy, which rounds otherwise than torch: by 1e-5 a step at most,
    which nine steps of an untrained network were seen to make 4e-4.
    """
    if isinstance(theirs, dict):
        assert set(ours) == set(theirs)
        for name in theirs:
            assert_same(ours[name], theirs[name])
    elif theirs.dtype == object:
        assert ours.dtype == object
        assert ours.shape == theirs.shape
        for mine, other in zip(ours, theirs, strict=True):
            assert (mine is None) == (other is None)
            if other is not None:
                assert_same(mine, other)
    else:
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
