import numpy as np
import pytest

from learned_envs.collect.noise import Noise


@pytest.mark.parametrize("held", [False, True])
def test_alternating_noise_changes_its_sign_at_nearly_every_step(held):
    noise = Noise(np.random.default_rng(0), 3, 50.0, held=held, alternating=True)
    drawn = np.array([noise() for _ in range(500)])
    # A time constant of 50 steps forgets a fiftieth of what it remembers in a step.
    assert (drawn[1:] * drawn[:-1] < 0).mean() > 0.9
