"""Whether a policy is of an environment's spaces, asked before it acts there."""

from __future__ import annotations

from typing import Any

from gymnasium.spaces import Space

from learned_envs.collect.recorder import Policy


def expect_spaces(policy: Policy, observation_space: Space[Any], action_space: Space[Any]) -> None:
    """Ask a policy whether these are the spaces that it learned in.

    It knows if it has a method `check_spaces(observation_space, action_space)`, as
    [`Agent`][learned_envs.sb3.Agent] has. Other policies are not asked.

    Raises:
        ParameterError: if it learned in others.
    """
    check = getattr(policy, "check_spaces", None)
    if check is not None:
        check(observation_space, action_space)
