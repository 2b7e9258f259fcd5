"""Whether a real environment has the system of a model, so that its rules can judge that model."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import gymnasium as gym
import mujoco

from learned_envs.errors import ParameterError
from learned_envs.systems.constants import constants_of, different
from learned_envs.systems.difference import known_differences
from learned_envs.systems.locate import locate
from learned_envs.systems.picture import self_contained_mjcf
from learned_envs.systems.reference import describe, make_reference
from learned_envs.systems.spec import SystemSpec

SHOWN = 5
"""Names of constants that a message lists."""


def expect_same_system(
    env: gym.Env[Any, Any], spec: SystemSpec, task: str, mjcf: str | None
) -> None:
    """Refuse an environment of another system than a model's.

    A spec does not say all that moves a system: damping, friction, the solver. So all constants of
    MuJoCo's model are compared with those of the environment that the model was fitted to or, if
    that is not installed here, of the MJCF that the card has of it.

    Args:
        env: made just now.
        spec: the model's.
        task: name of the task that the model was fitted to.
        mjcf: of its system; None if the card has none.

    Raises:
        ParameterError: if it has, or if that cannot be found out.
    """
    asked = env.spec.id if env.spec is not None else str(env.unwrapped)
    described = replace(describe(env), reference_id=spec.reference_id)
    if found := known_differences(replace(spec, leaves=()), described):
        where, known, own = found[0]
        raise ParameterError(
            f"{asked} has another system than the model of {task}: {where} is {own}, and was "
            f"{known}. Fit a model to {asked}."
        )
    ours, theirs = locate(env)[0], _model_of(task)
    if theirs is None:
        ours, theirs = _compiled(self_contained_mjcf(env)), _compiled(mjcf)
    if ours is None or theirs is None:
        raise ParameterError(
            f"Whether {asked} has the system of the model of {task} cannot be told, because "
            f"{task} cannot be made here. Install what registers it."
        )
    if names := different(constants_of(theirs), constants_of(ours), spec.leaves):
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise ParameterError(
            f"{asked} has another system than the model of {task}: it has another "
            f"{', '.join(names[:SHOWN])}{more}. Fit a model to {asked}."
        )


def _model_of(task: str) -> mujoco.MjModel | None:
    """Return MuJoCo's model of a task's environment; None if that is not there."""
    try:
        env = make_reference(task, disable_env_checker=True)
    except (LookupError, ParameterError, gym.error.Error):
        return None
    with closing(env):
        return locate(env)[0]


def _compiled(mjcf: str | None) -> mujoco.MjModel | None:
    return None if mjcf is None else mujoco.MjModel.from_xml_string(mjcf)
