"""Silence about old MJCF, which a user who did not write it can do nothing about."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import mujoco


@contextmanager
def deprecations_swallowed() -> Iterator[None]:
    """Drop what MuJoCo's C code says about old MJCF, once for each model that it loads.

    Other warnings go on to the handler that was there, or to Python's warnings.
    """
    previous = mujoco.get_mju_user_warning()

    def handle(message: str) -> None:
        if "deprecated" not in message:
            (previous or warnings.warn)(message)

    mujoco.set_mju_user_warning(handle)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(previous)
