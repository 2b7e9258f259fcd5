"""Constructor parameters of a user's environment: rules are traced again, physics stay."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from learned_envs import Simulation
from learned_envs.collect import asking
from learned_envs.errors import ArgumentTypeError, ParameterError
from learned_envs.state import State


def hosted_beside_traced(run: Path, **parameters: Any) -> None:
    """Check that traced rules are those of the real environment made with the same parameters."""
    options = {"checkpoint": run, "max_disagreement": None, **parameters}
    ours: Any = gym.make("LearnedSim-v0", **options).unwrapped
    real: Any = gym.make("LearnedSim-v0", rules="hosted", **options).unwrapped
    ended = []
    for seed in range(5):
        real.reset(seed=seed)
        ours.reset(seed=seed)
        state = ours.state
        real.state = State(state.q.double(), state.v.double(), state.memory)
        for action in np.random.default_rng(seed).uniform(-1, 1, (30, 2)).astype(np.float32):
            one, other = ours.step(action), real.step(action)
            touched = parameters.get("touch_reward", 0.5)
            apart = one[1] - other[1]
            # A contact is predicted by the one, and looked up by the other in MuJoCo's data.
            assert min(abs(apart), abs(apart - touched), abs(apart + touched)) < 1e-3
            np.testing.assert_allclose(one[0], other[0], rtol=0, atol=1e-5)
            assert one[2] == other[2]
            ended.append(one[2])
            if any(one[2:4]):
                break


@pytest.mark.parametrize(
    "parameters",
    [{}, {"jerk_cost": 0.7}, {"touch_reward": 2.0}, {"lowest": 0.46}],
    ids=["none", "jerk_cost", "touch_reward", "lowest"],
)
def test_rules_are_those_of_the_parameters(run: Path, parameters: dict[str, Any]) -> None:
    hosted_beside_traced(run, **parameters)


def test_starts_are_those_of_the_parameters(run: Path) -> None:
    for noise in (0.02, 0.2):
        task = Simulation.load(run, noise=noise).task
        assert noise / 2 < task.initial_state(500).q.abs().max() <= noise


def test_a_parameter_that_changes_the_physics_is_refused_by_name(run: Path) -> None:
    for rules in ("traced", "hosted"):
        with pytest.raises(ParameterError, match="gravity"):
            gym.make("LearnedSim-v0", checkpoint=run, rules=rules, gravity=3.7)


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_an_unknown_parameter_is_a_type_error_too(run: Path, make: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="jerk_costs") as caught:
        make("LearnedSim-v0", checkpoint=run, jerk_costs=1.0)
    assert isinstance(caught.value, TypeError)


def test_rules_are_traced_once(run: Path) -> None:
    def made() -> None:
        gym.make("LearnedSim-v0", checkpoint=run, jerk_cost=0.123, touch_reward=0.4)

    made()
    before = asking._retraced.cache_info()
    made()
    made()
    after = asking._retraced.cache_info()
    assert (after.misses, after.hits) == (before.misses, before.hits + 2)


def test_what_is_as_it_was_needs_no_environment(run: Path) -> None:
    before = asking._retraced.cache_info()
    gym.make("LearnedSim-v0", checkpoint=run)
    assert asking._retraced.cache_info() == before
