"""What is evaluated, and on what, is checked before anything runs."""

from typing import Any

import numpy as np
import pytest

from learned_envs import Simulation
from learned_envs.errors import (
    ActionError,
    ArgumentTypeError,
    DatasetError,
    LearnedEnvsError,
    ParameterError,
    ShapeError,
)
from learned_envs.evaluation.evaluation import evaluate
from learned_envs.evaluation.returns import returns_outside, rewards_inside


@pytest.fixture(scope="module")
def pendulum() -> Simulation:
    return Simulation.load("InvertedPendulum")


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizons": ()},
        {"horizons": (0,)},
        {"horizons": (1.5,)},
        {"horizons": 10},
        {"trajectories": 0},
        {"trajectories": True},
        {"seed": -1},
        {"seed": "1"},
        {"simulation": "InvertedPendulum"},
        {"data": "runs/data"},
        {"data": None},
    ],
)
def test_an_evaluation_refuses_what_cannot_be_meant(
    pendulum: Simulation, pendulum_data: Any, wrong: dict[str, Any]
) -> None:
    arguments = {"simulation": pendulum, "data": pendulum_data, **wrong}
    with pytest.raises(LearnedEnvsError, match="expected"):
        evaluate(**arguments)


def test_an_evaluation_is_on_data_of_the_models_system(pendulum_data: Any) -> None:
    with pytest.raises(DatasetError, match=r"\[2, 2, 1\].*\[6, 6, 3\], as Hopper-v5"):
        evaluate(Simulation.load("Hopper"), pendulum_data)


def still(observation: np.ndarray) -> np.ndarray:
    return np.zeros((len(observation), 1))


@pytest.mark.parametrize(
    ("policy", "error"),
    [
        (None, ArgumentTypeError),
        (lambda o: np.zeros((len(o), 2)), ShapeError),
        (lambda o: np.zeros(1), ShapeError),
        (lambda o: np.full((len(o), 1), np.nan), ActionError),
        (lambda o: [["left"]] * len(o), ActionError),
        (lambda o: None, LearnedEnvsError),
    ],
)
def test_a_policy_that_gives_no_actions_is_refused(
    pendulum: Simulation, policy: Any, error: Any
) -> None:
    with pytest.raises(error, match="expected"):
        rewards_inside(policy, pendulum, 2, 3)
    with pytest.raises(error, match="expected"):
        returns_outside(policy, "InvertedPendulum-v5", 2)


def test_episodes_and_steps_are_counted(pendulum: Simulation) -> None:
    for wrong in (0, -1, 1.5, True, None):
        with pytest.raises(ParameterError, match="expected"):
            rewards_inside(still, pendulum, wrong, 3)
        with pytest.raises(ParameterError, match="expected"):
            rewards_inside(still, pendulum, 2, wrong or 0)
        with pytest.raises(ParameterError, match="expected"):
            returns_outside(still, "InvertedPendulum-v5", wrong)
    with pytest.raises(ArgumentTypeError, match="expected"):
        rewards_inside(still, "InvertedPendulum", 2, 3)
