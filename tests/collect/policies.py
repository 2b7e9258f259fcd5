"""Policies that worker processes import by name."""

import os

import numpy as np

from learned_envs.errors import UnknownNameError


class Still:
    """A policy that does nothing."""

    def __call__(self, observation):
        return np.zeros(3)


class Dying:
    """A policy that takes its process with it."""

    def __call__(self, observation):
        os._exit(1)


class Failing:
    def __call__(self, observation):
        raise UnknownNameError("limb", "arm", ["leg"])
