"""The environments of examples/ant_rewards are sound, and their rules are traced exactly."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env

from learned_envs.collect.same_system import expect_same_system
from learned_envs.rules.check import compare
from learned_envs.rules.recording import record_steps
from learned_envs.rules.tracing.trace import trace_rules
from learned_envs.systems.reference import describe

FOLDER = Path(__file__).parents[1] / "examples" / "ant_rewards"


@pytest.fixture(params=["AntTurning", "AntSideways"])
def env(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(FOLDER)
    with closing(gym.make(f"ant:{request.param}-v0")) as made:
        yield made


@pytest.mark.filterwarnings("ignore:.*A Box observation space")
def test_gymnasium_finds_nothing_wrong(env: gym.Env[Any, Any]) -> None:
    check_env(env.unwrapped, skip_render_check=True)


def test_speed_is_paid(env: Any) -> None:
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(5):
        _, reward, *_, info = env.step(env.action_space.sample())
        turning = env.spec.id.startswith("AntTurning")
        speed = env.unwrapped.data.qvel[5] if turning else info["y_velocity"]
        terms = [value for name, value in info.items() if name.startswith("reward_")]
        assert info["reward_forward"] == pytest.approx(speed)
        assert reward == pytest.approx(sum(terms))


def test_rules_are_traced_exactly(env: gym.Env[Any, Any]) -> None:
    graph = trace_rules(env).step
    # The reward is of float32 actions.
    assert compare(graph, record_steps(env, [*graph.inputs], 100)).exact(1e-6)


def test_its_system_is_that_of_the_ant(env: gym.Env[Any, Any]) -> None:
    with closing(gym.make("Ant-v5")) as ant:
        expect_same_system(env, describe(ant), "Ant", None)
