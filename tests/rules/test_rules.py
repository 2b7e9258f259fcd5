"""Rules say what they are: their spaces, what must be learned for them, and how exact they are."""

import json
from typing import Any

import gymnasium as gym
import msgspec
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.spaces.utils import flatten_space
from pendulum_rules import inverted_pendulum

from learned_envs.errors import RulesError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.graph import Graph
from learned_envs.rules.rules import Rules, flat_space
from learned_envs.rules.space import SpaceData, space_data
from learned_envs.schema import strict


def start() -> Graph:
    build = GraphBuilder()
    q, v = build.input("after.qpos", (2,)), build.input("after.qvel", (2,))
    return build.graph({"observation": build.cat([q, v])})


def rules(**changed: Any) -> Rules:
    with gym.make("InvertedPendulum-v5") as env:
        given = {
            "step": inverted_pendulum(),
            "start": start(),
            "observation_space": space_data(env.observation_space),
            "action_space": space_data(env.action_space),
        }
    return Rules(**{**given, **changed})


SPACES = {
    "unbounded": spaces.Box(-np.inf, np.inf, (11,), np.float64),
    "several bounds": spaces.Box(np.float32([-1, -0.4]), np.float32([1, np.inf])),
    "bytes": spaces.Box(0, 255, (2, 2), np.uint8),
    "parts": spaces.Dict(
        {
            "observation": spaces.Box(-np.inf, 2, (2, 2), np.float64),
            "achieved_goal": spaces.Dict(
                z=spaces.Box(-1, 1, (1,)), a=spaces.Box(0.1, np.pi, (1,), np.float64)
            ),
        }
    ),
}


@pytest.mark.parametrize("name", SPACES)
def test_spaces_read_back_as_they_were(name: str) -> None:
    space = SPACES[name]
    text = msgspec.json.encode(space_data(space))
    again = msgspec.convert(json.loads(json.dumps(json.loads(text), sort_keys=True)), SpaceData)
    assert again.space() == space
    assert flat_space(again) == flatten_space(space)
    assert again.size == spaces.flatdim(space)


def test_the_order_of_parts_is_kept() -> None:
    space = spaces.Dict([("z", spaces.Box(-1, 1)), ("a", spaces.Box(0, 1))])
    assert [*space_data(space).space()] == [*space]


@pytest.mark.parametrize("space", [spaces.Discrete(3), spaces.Dict(a=spaces.MultiBinary(2))])
def test_other_spaces_are_an_error(space: spaces.Space) -> None:
    with pytest.raises(RulesError, match="Box"):
        space_data(space)


def test_rules_read_back_as_they_were() -> None:
    made = rules(learned={"after.cfrc_ext": 0.1}, notes=("A step that raises is none.",))
    assert strict(json.loads(json.dumps(msgspec.to_builtins(made), sort_keys=True)), Rules) == made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": start()}, "without reward"),
        ({"observation_space": space_data(spaces.Box(-1, 1, (3,)))}, "observation"),
    ],
)
def test_rules_that_do_not_give_what_they_must_are_an_error(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(RulesError, match=message):
        rules(**change)


def test_what_depends_on_something_learned_is_learned() -> None:
    build = GraphBuilder()
    q, force = build.input("after.qpos", (3,)), build.input("after.cfrc_ext", (2, 3))
    cost = build.reduce("sum", build.add("mul", force, force))
    pushed = build.add("maximum", build.take(force, 0, [1]), -1.0)
    seen = build.cat([build.take(q, 0, [1, 2]), build.view(pushed, (3,)), [1.0]])
    outputs = {
        "observation": seen,
        "reward": build.add("sub", build.view(build.take(q, 0, [0]), ()), cost),
        "terminated": build.reduce(
            "any", build.add("isnan", build.matmul(build.view(q, (1, 3)), q))
        ),
        "truncated": build.constant(False),
    }
    made = rules(
        step=build.graph(outputs),
        start=build.graph({"observation": seen}),
        observation_space=space_data(spaces.Box(-1, 1, (6,))),
        learned={"after.cfrc_ext": None},
    )
    assert made.how() == {
        "observation": ("exact", "exact", "learned", "learned", "learned", "exact"),
        "reward": ("learned",),
        "terminated": ("exact",),
        "truncated": ("exact",),
    }
