"""What `gym.make` and `gym.make_vec` call: the face of a simulation with the rules asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import gymnasium as gym
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import TimeLimit

from learned_envs import argument
from learned_envs.card import read_card
from learned_envs.envs.render import RENDER_MODES
from learned_envs.errors import ParameterError
from learned_envs.hub import is_on_hub
from learned_envs.location import settled
from learned_envs.registration import episode_steps
from learned_envs.workers import usable_cores

Rules = Literal["traced", "hosted"]
"""Whose rules decide what is seen, paid and ended: those that the weights' card has, or those of
the real environment's own step(), which must be installed."""

RULES = ("traced", "hosted")

BATCHED = ("tensors", "starts", "start_fraction", "precision")
"""Options of many environments that only those in one batch have."""


def make_single(
    task: str | None = None, *, rules: Rules = "traced", **options: Any
) -> gym.Env[Any, Any]:
    """Make one environment; see `LearnedEnv` and `HostedEnv` for the options.

    Args:
        task: the registered name of the task; `gym.make` fills it in. None if the checkpoint says
            what it is; then the reference's step limit is the checkpoint's too.
        rules: see `Rules`.
        options: what else there is to say.

    Raises:
        ParameterError: if there are no such rules.
    """
    if is_on_hub(options.get("checkpoint")):
        options["checkpoint"] = settled(options["checkpoint"])
    made = _single(task, rules, **options)
    if task is not None:
        return made
    limit = episode_steps(read_card(options["checkpoint"]), options.get("reference"))
    return made if limit is None else OwnLimit(made, limit)


class OwnLimit(TimeLimit):
    """The step limit of a checkpoint's task, for an id that has none."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and truncate at the limit unless the id has one."""
        # What Gymnasium leaves at the environment itself has no limit.
        spec = self.unwrapped.spec
        known = None if spec is None else gym.registry.get(spec.id)
        if known is not None and known.max_episode_steps is not None:
            return self.env.step(action)
        return super().step(action)


def _single(task: str | None, rules: Rules, **options: Any) -> gym.Env[Any, Any]:
    if argument.choice("rules", rules, RULES) == "hosted":
        from learned_envs.envs.hosted import HostedEnv

        return HostedEnv(task, **options)
    from learned_envs.envs.single import LearnedEnv

    return LearnedEnv(task, **options)


def make_vector(
    task: str | None = None, num_envs: int = 1, *, rules: Rules = "traced", **options: Any
) -> VectorEnv[Any, Any, Any]:
    """Make many environments; see `LearnedVectorEnv` for the options.

    Hosted, each has a process of its own if there are cores enough, and else all run in this one.

    Args:
        task: the registered name of the task; `gym.make_vec` fills it in. None as above.
        num_envs: how many there are.
        rules: see `Rules`.
        options: what else there is to say.

    Raises:
        ParameterError: if there are no such rules, or if they cannot be had with an option.
    """
    if argument.choice("rules", rules, RULES) == "hosted":
        return _hosted(task, argument.count("num_envs", num_envs), **options)
    from learned_envs.envs.vector import LearnedVectorEnv

    return LearnedVectorEnv(task, num_envs, **options)


# What `gym.make` looks for in an entry point: the modes that it takes lists of frames from.
vars(make_single)["metadata"] = {"render_modes": RENDER_MODES}


def _hosted(
    task: str | None,
    num_envs: int,
    *,
    max_episode_steps: int | None = None,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    **options: Any,
) -> VectorEnv[Any, Any, Any]:
    for name in BATCHED:
        if name in options:
            raise ParameterError(
                f"Got {name} with rules='hosted', which run one environment at a time. Leave out "
                f"{name}, or use rules='traced'."
            )
    one: Callable[[], Any] = partial(_limited, task, max_episode_steps, options)
    if 1 < num_envs <= usable_cores():
        # A process that was forked from one in which torch has threads may hang.
        return AsyncVectorEnv([one] * num_envs, context="spawn", autoreset_mode=autoreset_mode)
    return SyncVectorEnv([one] * num_envs, autoreset_mode=autoreset_mode)


def _limited(task: str | None, limit: int | None, options: dict[str, Any]) -> gym.Env[Any, Any]:
    env = make_single(task, rules="hosted", **options)
    return env if limit in (None, -1) else TimeLimit(env, limit)
