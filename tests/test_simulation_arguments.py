"""A simulation casts the numbers that it is given, and refuses what fits neither it nor them."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from learned_envs import Simulation
from learned_envs.card import read_card
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.dynamics import Dynamics, Family
from learned_envs.errors import (
    ActionError,
    ArgumentTypeError,
    LearnedEnvsError,
    ParameterError,
    ShapeError,
)
from learned_envs.state import State

ZEROS = torch.zeros(4, 3)


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return Simulation.load("Hopper")


@pytest.fixture
def state(simulation: Simulation) -> State:
    return simulation.reset(4, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("disagreement", [False, True])
@pytest.mark.parametrize(
    "cast", [torch.Tensor.double, torch.Tensor.bfloat16, torch.Tensor.numpy, torch.Tensor.tolist]
)
def test_actions_of_any_numbers_are_cast(
    simulation: Simulation, state: State, cast: Any, disagreement: bool
) -> None:
    action = torch.tensor([[1.0, 0.5, -0.25]]).repeat(4, 1)
    expected = simulation.step(state, action, disagreement)
    step = simulation.step(state, cast(action), disagreement)
    torch.testing.assert_close(asdict(step), asdict(expected), rtol=0, atol=0)


def test_states_of_float64_are_cast(simulation: Simulation, state: State) -> None:
    expected = simulation.step(state, ZEROS)
    wide = simulation.step(state.to(torch.float64), ZEROS)
    assert wide.state.q.dtype is torch.float32
    assert torch.equal(wide.state.q, expected.state.q)
    rollout = simulation.rollout(state.to(torch.float64), torch.zeros(4, 2, 3).double())
    assert torch.equal(rollout.states.q[:, 1], expected.state.q)


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (torch.zeros(4, 2), ShapeError),
        (torch.zeros(3), ShapeError),
        (torch.zeros(1, 3), ShapeError),
        (ZEROS + torch.nan, ActionError),
        (ZEROS.double() + 1e300, ActionError),
        (ZEROS.to(torch.complex64), ActionError),
        (np.full((4, 3), "a"), ActionError),
        (np.full((4, 3), None), ActionError),
        ([[0, 0, 0], [0]], ActionError),
        (None, ActionError),
        ("left", ActionError),
    ],
)
def test_what_is_no_action_is_refused(
    simulation: Simulation, state: State, action: Any, error: Any
) -> None:
    with pytest.raises(error, match="expected"):
        simulation.step(state, action)
    with pytest.raises(error, match="expected"):
        simulation.rollout(state, lambda observation: action, 2)
    with pytest.raises(LearnedEnvsError, match="expected"):
        simulation.rollout(state, action)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda s: None, ArgumentTypeError),
        (lambda s: s.q, ArgumentTypeError),
        (lambda s: (s.q, s.v), ArgumentTypeError),
        (lambda s: replace(s, q=s.q[:, :5]), ShapeError),
        (lambda s: replace(s, v=s.v[:3]), ShapeError),
        (lambda s: replace(s, q=s.q[0]), ShapeError),
        (lambda s: s[:0], ShapeError),
        (lambda s: replace(s, q=None), LearnedEnvsError),
        (lambda s: replace(s, q=s.q + torch.nan), ParameterError),
        (lambda s: replace(s, v=s.v - torch.inf), ParameterError),
        (lambda s: s.remember(member=torch.tensor([0, 1])), ShapeError),
        (lambda s: s.remember(member=torch.full((4,), 7)), ParameterError),
        (lambda s: s.remember(member=torch.full((4,), -1)), ParameterError),
        (lambda s: s.remember(member=torch.zeros(4)), ParameterError),
        (lambda s: s.remember(member=[0, 0, 0, 0]), ArgumentTypeError),
        (lambda s: s.remember(goal=torch.zeros(3, 1)), ShapeError),
        (lambda s: s.remember(goal=torch.zeros(4)), ShapeError),
    ],
)
def test_what_is_no_state_is_refused(
    simulation: Simulation, state: State, change: Any, error: Any
) -> None:
    with pytest.raises(error, match="expected"):
        simulation.step(change(state), ZEROS)
    with pytest.raises(error, match="expected"):
        simulation.rollout(change(state), torch.zeros(4, 2, 3))


def test_a_horizon_is_a_number_of_steps_that_there_are_actions_for(
    simulation: Simulation, state: State
) -> None:
    actions = torch.zeros(4, 5, 3)
    assert simulation.rollout(state, actions, 3).rewards.shape == (4, 3)
    for horizon in (0, -1, 6, 2.0, True, "2", np.array([1])):
        with pytest.raises(ParameterError, match=r"horizon=.*expected"):
            simulation.rollout(state, actions, horizon)
    for horizon in (0, -1, 2.0, True, "2"):
        with pytest.raises(ParameterError, match=r"horizon=.*expected"):
            simulation.rollout(state, lambda observation: ZEROS, horizon)
    with pytest.raises(ParameterError, match="horizon"):
        simulation.rollout(state, lambda observation: ZEROS)
    for shape in ((4, 0, 3), (4, 3), (4, 2, 2)):
        with pytest.raises(ShapeError, match="expected"):
            simulation.rollout(state, torch.zeros(shape))


def test_a_reset_draws_some_episodes_from_a_generator(simulation: Simulation) -> None:
    for batch in (0, -1, 2.0, True, "4", None):
        with pytest.raises(ParameterError, match=r"batch=.*expected"):
            simulation.reset(batch)
    for generator in (0, np.random.default_rng(0), "cpu"):
        with pytest.raises(ArgumentTypeError, match=r"torch.Generator"):
            simulation.reset(2, generator)
    with pytest.raises(ParameterError, match="mean"):
        simulation.reset(2, None, "yes")
    assert simulation.reset(np.int64(2)).q.shape == (2, 6)


def test_a_member_is_one_that_there_is(simulation: Simulation) -> None:
    for member in (-1, simulation.members, 0.0, True, None):
        with pytest.raises(ParameterError, match=r"member=.*expected"):
            simulation.with_member(member)


def test_a_task_and_a_model_are_of_one_system(simulation: Simulation) -> None:
    other = Simulation.load("Reacher")
    with pytest.raises(ParameterError, match=r"Hopper-v5 with a model of Reacher-v5"):
        Simulation(simulation.task, other.dynamics)
    with pytest.raises(ArgumentTypeError, match="expected a Task"):
        Simulation("Hopper", simulation.dynamics)
    for checkpoint in (5, None, ["Hopper"]):
        with pytest.raises(ParameterError, match="a name or a path"):
            Simulation.load(checkpoint)


@dataclass(frozen=True)
class Resting(Family):
    """A family without networks."""

    def build(self, spec: Any, members: int | None = None) -> Dynamics:
        class Rest(Dynamics):
            def step(self, state: Any, action: Any, disagreement: bool = False) -> Any:
                raise NotImplementedError

        return Rest(spec)


def test_a_precision_of_networks_needs_networks() -> None:
    spec = read_card("Hopper").spec
    task = Simulation.load("Hopper").task
    with pytest.raises(ParameterError, match="without networks"):
        Simulation(task, Ensemble(Resting(), spec, 2)).to_bfloat16()


def test_transforms_of_functions_reach_through_a_step(simulation: Simulation, state: State) -> None:
    def reward(action: torch.Tensor) -> torch.Tensor:
        return simulation.step(state, action).reward.sum()

    action = torch.full((4, 3), 0.1)
    gradient = torch.func.grad(reward)(action)
    needed = action.clone().requires_grad_(True)
    reward(needed).backward()
    torch.testing.assert_close(gradient, needed.grad)
