"""Rules are compared with the real environment: number by number, and given the real next state."""

import gymnasium as gym
import msgspec
import numpy as np
import pytest
from pendulum_rules import inverted_pendulum

from learned_envs.errors import RulesError, SystemSpecError
from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.check import compare
from learned_envs.rules.comparison import Comparison
from learned_envs.rules.graph import Graph
from learned_envs.rules.recording import Recording, record_steps
from learned_envs.rules.tracing.trace import trace_rules
from learned_envs.systems.reference import deprecations_swallowed

STEPS = 2_000

NAMES = ("after.qpos", "after.qvel", "before.qpos", "after.xpos", "before.time", "after.time")


@pytest.fixture(scope="module")
def recording() -> Recording:
    with gym.make("InvertedPendulum-v5") as env:
        return record_steps(env, NAMES, STEPS)


def test_right_rules_differ_nowhere(recording: Recording) -> None:
    found = compare(inverted_pendulum(), recording)
    assert found.exact(0.0) and found.steps == STEPS
    # Some fall, and go on after that.
    assert 100 < found.ends < STEPS - 100
    assert found.infos == {"reward_survive": 0.0} and found.missing == ()
    assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found


def test_what_is_wrong_is_told_by_column(recording: Recording) -> None:
    build = GraphBuilder()
    q, v = build.input("after.qpos", (2,)), build.input("after.qvel", (2,))
    wrong = build.cat([build.add("add", q, [0.0, 0.25]), build.add("log", build.add("sub", v, v))])
    outputs = {
        "observation": wrong,
        "reward": build.constant(1.0),
        "terminated": build.constant(False),
        "truncated": build.constant(False),
    }
    found = compare(build.graph(outputs), recording)
    assert found.observation[0] == 0.0 and found.observation[1] == pytest.approx(0.25)
    assert min(found.observation[2:]) == 1e30
    assert found.reward == 1.0 and found.terminated == found.ends and not found.exact()
    assert found.missing == ("info.reward_survive",)


def test_what_is_recorded_is_before_and_after_physics(recording: Recording) -> None:
    inputs = recording.inputs
    assert np.allclose(inputs["after.time"] - inputs["before.time"], 0.04)
    assert (inputs["after.qpos"] == recording.outputs["observation"][:, :2]).all()
    assert inputs["after.xpos"].shape == (STEPS, 3, 3)
    follows = inputs["after.time"][:-1] == inputs["before.time"][1:]
    assert (inputs["before.qpos"][1:] == inputs["after.qpos"][:-1])[follows].all()


def test_what_was_not_recorded_is_an_error(recording: Recording) -> None:
    build = GraphBuilder()
    graph: Graph = build.graph({"observation": build.input("after.cvel", (3, 6))})
    with pytest.raises(RulesError, match=r"after\.cvel"):
        compare(graph, recording)
    with gym.make("InvertedPendulum-v5") as env, pytest.raises(SystemSpecError, match="nothing"):
        record_steps(env, ["after.nothing"], 1)


@pytest.mark.parametrize("name", ["Ant-v5", "Humanoid-v5"])
def test_forces_that_an_environment_asks_for_after_physics_are_recorded(name: str) -> None:
    with deprecations_swallowed(), gym.make(name) as env:
        graph = trace_rules(env).step
        # The reward is of float32 actions.
        assert compare(graph, record_steps(env, [*graph.inputs], 100)).exact(1e-6)
