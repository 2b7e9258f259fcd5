"""One learned environment keeps what its reference promises, and what its options say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import learned_envs  # noqa: F401
from learned_envs.errors import (
    ActionError,
    CheckpointError,
    ParameterError,
    ResetNeededError,
    ShapeError,
)

Make = Callable[..., Any]


@pytest.fixture
def make(checkpoint: Callable[[str], Path]) -> Make:
    def build(**kwargs: Any) -> Any:
        kwargs = {"checkpoint": checkpoint("Hopper"), **kwargs}
        return gym.make("LearnedSim-Hopper-v0", **kwargs).unwrapped

    return build


def actions(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 3)).astype(np.float32)


def test_hands_out_the_types_and_infos_of_the_reference(make: Make) -> None:
    env, reference = make(), gym.make("Hopper-v5")
    assert env.reference_id == reference.spec.id
    observation, info = env.reset(seed=0)
    _, reference_info = reference.reset(seed=0)
    assert observation.dtype == np.float64
    assert list(info) == list(reference_info)
    observation, reward, terminated, truncated, info = env.step(actions(1)[0])
    _, _, _, _, reference_info = reference.step(actions(1)[0])
    assert observation.dtype == np.float64
    assert type(reward) is float
    assert terminated is False
    assert truncated is False
    assert set(info) == {*reference_info, "diverged", "out_of_support"} | {"disagreement"}
    assert all(type(info[name]) is float for name in reference_info)
    assert info["diverged"] is False
    assert info["out_of_support"] is False


def test_parameters_of_the_reference_reach_the_task(make: Make) -> None:
    env = make(exclude_current_positions_from_observation=False, reset_noise_scale=0.0)
    observation, _ = env.reset()
    np.testing.assert_allclose(observation, [0, 1.25, *np.zeros(10)], atol=1e-7)


def test_an_unknown_argument_is_a_type_error_in_pythons_words(make: Make) -> None:
    for name in ("frameskip", "frame_skip"):
        with pytest.raises(
            TypeError, match=f"got an unexpected keyword argument '{name}'"
        ) as caught:
            make(**{name: 2}, wheels=3)
        assert isinstance(caught.value, ParameterError)


def test_a_seed_determines_the_episodes_that_follow(make: Make) -> None:
    first, second, other = make(), make(), make()

    def play(env: Any, seed: int) -> np.ndarray:
        seen = [env.reset(seed=seed)[0]]
        for step, action in enumerate(actions(20)):
            seen.append(env.step(action)[0])
            if step % 5 == 4:
                seen.append(env.reset()[0])
        return np.stack(seen)

    played = play(first, 3)
    np.testing.assert_array_equal(played, play(second, 3))
    np.testing.assert_array_equal(played, play(first, 3))
    assert not np.allclose(played, play(other, 4))


def test_nothing_handed_out_is_shared_with_the_environment(make: Make) -> None:
    env, twin = make(), make()
    kept, _ = env.reset(seed=0)
    twin.reset(seed=0)
    kept[:] = np.nan
    for action in actions(5):
        observation, *_ = env.step(action)
        np.testing.assert_array_equal(observation, twin.step(action)[0])
        observation[:] = np.nan


def test_set_state_moves_the_system(make: Make) -> None:
    env = make()
    env.reset(seed=0)
    q, v = np.arange(6) / 10, np.arange(6) / 7
    env.set_state(q, v)
    np.testing.assert_allclose(env.state.q.numpy(), q, rtol=1e-6)
    np.testing.assert_allclose(env.state.v.numpy(), v, rtol=1e-6)
    first = env.step(actions(1)[0])[0]
    q[:] = 0
    env.set_state(torch.arange(6) / 10, torch.from_numpy(v))
    np.testing.assert_array_equal(env.step(actions(1)[0])[0], first)
    before = env.state.q.clone()
    with pytest.raises(ShapeError, match=r"\(5,\).*\(6,\)"):
        env.set_state(np.zeros(5), np.zeros(6))
    with pytest.raises(ParameterError, match="NaN"):
        env.set_state(np.full(6, np.nan), np.zeros(6))
    assert torch.equal(env.state.q, before)


def test_needs_a_reset_first(make: Make) -> None:
    env = make(render_mode="rgb_array")
    for use in (
        lambda: env.step(actions(1)[0]),
        lambda: env.set_state(np.zeros(6), np.zeros(6)),
        lambda: env.state,
        env.render,
    ):
        with pytest.raises(ResetNeededError, match="reset"):
            use()


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (np.zeros(2), ShapeError),
        (np.zeros((1, 3)), ShapeError),
        (0.5, ShapeError),
        (np.full(3, np.nan), ActionError),
        ([0.0, np.inf, 0.0], ActionError),
        ([0.0, 1e300, 0.0], ActionError),
        (torch.tensor([0.0, torch.nan, 0.0]), ActionError),
        ("left", ActionError),
        (["0", "0", "0"], ActionError),
        (None, ActionError),
        ([0.0, [1.0], 0.0], ActionError),
        (np.zeros(3, dtype=complex), ActionError),
        (torch.zeros(3, dtype=torch.complex64), ActionError),
        (np.array([None, 0, 0]), ActionError),
    ],
)
def test_a_bad_action_is_refused_and_changes_nothing(make: Make, action: Any, error: Any) -> None:
    env, twin = make(), make()
    env.reset(seed=0)
    twin.reset(seed=0)
    with pytest.raises(error, match="expected"):
        env.step(action)
    np.testing.assert_array_equal(env.step(np.ones(3))[0], twin.step(np.ones(3))[0])


@pytest.mark.parametrize(
    "action",
    [
        [1, 0, 1],
        (1.0, 0.0, 1.0),
        np.array([1, 0, 1], dtype=np.int8),
        np.array([1, 0, 1], dtype=np.uint16),
        np.array([True, False, True]),
        np.array([1, 0, 1], dtype=">f8"),
        np.array([1, 5, 0, 5, 1], dtype=np.float16)[::2],
        torch.tensor([1, 0, 1]),
        torch.tensor([1, 0, 1], dtype=torch.bfloat16),
        torch.tensor([1.0, 0.0, 1.0], requires_grad=True),
    ],
)
def test_numbers_of_any_type_are_cast(make: Make, action: Any) -> None:
    env, twin = make(), make()
    env.reset(seed=0)
    twin.reset(seed=0)
    expected = twin.step(np.array([1, 0, 1], dtype=np.float32))
    np.testing.assert_array_equal(env.step(action)[0], expected[0])


def test_an_action_moves_clamped_and_costs_raw(make: Make) -> None:
    env, twin = make(ctrl_cost_weight=0.5), make(ctrl_cost_weight=0.5)
    env.reset(seed=0)
    twin.reset(seed=0)
    observation, _, _, _, info = env.step([9.0, -9.0, 0.0])
    np.testing.assert_array_equal(observation, twin.step([1.0, -1.0, 0.0])[0])
    assert info["reward_ctrl"] == -81.0


def test_members_are_drawn_once_an_episode(make: Make) -> None:
    env = make()
    env.reset(seed=0)
    members = set()
    for _ in range(20):
        member = env.state.memory["member"].item()
        for action in actions(3):
            env.step(action)
            assert env.state.memory["member"].item() == member
        members.add(member)
        env.reset()
    # 20 uniform draws from three members miss one of them with a chance of 1e-3.
    assert members == {0, 1, 2}


def test_the_mean_is_the_mean_of_the_members(make: Make) -> None:
    env = make(ensemble="mean")
    env.reset(seed=0)
    assert not env.state.memory
    q, v = np.zeros(6), np.zeros(6)
    q[1] = 1.25
    env.set_state(q, v)
    mean = env.step(actions(1)[0])[0]
    member_env, steps = make(), {}
    for _ in range(20):
        member_env.reset()
        member_env.set_state(q, v)
        member = member_env.state.memory["member"].item()
        steps[member] = member_env.step(actions(1)[0])[0]
    np.testing.assert_allclose(np.mean(list(steps.values()), 0), mean, atol=1e-6)


def test_disagreement_is_computed_where_something_needs_it(make: Make) -> None:
    def info(**kwargs: Any) -> dict[str, Any]:
        env = make(**kwargs)
        env.reset(seed=0)
        return env.step(actions(1)[0])[4]

    assert "disagreement" not in info(max_disagreement=None)
    assert "disagreement" in info(max_disagreement="auto")
    assert "disagreement" in info(max_disagreement=1e9)
    assert "disagreement" in info(max_disagreement=None, disagreement_penalty=0.1)
    assert info(max_disagreement=None, disagreement_in_info=True)["disagreement"] > 0


def test_the_penalty_is_taken_off_the_reward(make: Make) -> None:
    plain, fined = make(disagreement_in_info=True), make(disagreement_penalty=0.25)
    plain.reset(seed=0)
    fined.reset(seed=0)
    for action in actions(3):
        _, reward, *_, info = plain.step(action)
        _, less, *_ = fined.step(action)
        assert less == pytest.approx(reward - 0.25 * info["disagreement"], abs=1e-6)


def test_disagreement_past_the_threshold_truncates(make: Make) -> None:
    env = make(max_disagreement=1e-6)
    env.reset(seed=0)
    _, _, terminated, truncated, info = env.step(actions(1)[0])
    assert (terminated, truncated) == (False, True)
    assert (info["out_of_support"], info["diverged"]) == (True, False)


def test_leaving_the_data_truncates_and_never_terminates(make: Make) -> None:
    env = make(max_disagreement=None)
    env.reset(seed=0)
    for q, v in ((1e3, 0.0), (0.0, -1e6), (1e30, 1e30), (3e38, -3e38)):
        env.set_state(np.full(6, q), np.full(6, v))
        observation, reward, terminated, truncated, info = env.step(actions(1)[0])
        assert (terminated, truncated, info["diverged"]) == (False, True, True)
        assert np.isfinite([*observation, reward, *info.values()]).all()
        np.testing.assert_allclose(env.state.q.numpy(), q, rtol=1e-6)


def test_nothing_stops_a_step_past_the_end(make: Make) -> None:
    env = make()
    env.reset(seed=0)
    # The data reach an angle of 0.12, and the model is asked up to three times as far.
    env.set_state(np.array([0, 1.25, 0.3, 0, 0, 0]), np.zeros(6))
    for action in actions(2):
        assert env.step(action)[2] is True


@pytest.mark.parametrize(
    "kwargs",
    [
        {"ensemble": "median"},
        {"max_disagreement": "never"},
        {"max_disagreement": 0.0},
        {"max_disagreement": float("nan")},
        {"disagreement_penalty": -1.0},
        {"disagreement_penalty": float("inf")},
        {"disagreement_penalty": "much"},
        {"render_mode": "ascii"},
    ],
)
@pytest.mark.filterwarnings("ignore:.*render_mode:UserWarning")
def test_options_out_of_range_are_refused(make: Make, kwargs: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match="expected"):
        make(**kwargs)


def test_weights_of_another_task_are_refused(make: Make, checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(CheckpointError, match="InvertedPendulum, expected Hopper"):
        make(checkpoint=checkpoint("InvertedPendulum"))


def test_the_spec_makes_the_same_environment_again(make: Make) -> None:
    env = make(reset_noise_scale=0.1)
    again = gym.make(env.spec).unwrapped
    np.testing.assert_array_equal(env.reset(seed=1)[0], again.reset(seed=1)[0])
