"""`call`, `get_attr` and `set_attr` are those of Gymnasium's vector environments."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from hoppers import MODES, Make, actions

from learned_envs.errors import (
    ArgumentTypeError,
    LearnedEnvsError,
    ParameterError,
    ResetNeededError,
    ShapeError,
)
from learned_envs.state import State


@pytest.fixture
def envs(make: Make) -> Any:
    made = make(3)
    made.reset(seed=0)
    return made


@pytest.mark.parametrize("name", ["dt", "frame_skip", "action_space", "render_mode", "is_healthy"])
def test_attributes_are_those_of_three_environments(make_sync: Make, envs: Any, name: str) -> None:
    sync = make_sync(3, AutoresetMode.NEXT_STEP)
    sync.reset(seed=0)
    for read in ("get_attr", "call"):
        ours, theirs = getattr(envs, read)(name), getattr(sync, read)(name)
        assert type(ours) is tuple
        assert ours == theirs


def test_what_each_has_to_itself_is_a_row_of_the_batch(envs: Any) -> None:
    states = envs.get_attr("state")
    assert [len(states), states[1].q.shape] == [3, (6,)]
    assert torch.equal(torch.stack([state.q for state in states]), envs.state.q)
    np.testing.assert_array_equal(np.stack(envs.call("state_vector")), envs.state_vector())


def test_a_method_is_called_on_each(make: Make) -> None:
    envs = make(3, render_mode="rgb_array")
    with pytest.raises(ResetNeededError):
        envs.call("state_vector")
    envs.reset(seed=0)
    members = envs.state.memory["member"]
    assert envs.call("set_state", np.full(6, 0.5), np.zeros(6)) == (None, None, None)
    assert (envs.state.q == 0.5).all()
    assert torch.equal(envs.state.memory["member"], members)
    envs.call("set_state", envs.state[1])
    assert (envs.state.memory["member"] == members[1]).all()
    with pytest.raises(ShapeError):
        envs.call("set_state", np.zeros((3, 6)), np.zeros((3, 6)))


def test_a_method_of_the_batch_is_refused_and_an_unknown_name_too(envs: Any) -> None:
    with pytest.raises(ParameterError, match="one batch"):
        envs.call("reset", seed=1)
    for ask in (envs.call, envs.get_attr):
        with pytest.raises(AttributeError, match="wheels"):
            ask("wheels")
    with pytest.raises(AttributeError, match="no MuJoCo model"):
        envs.get_attr("model")


def test_names_of_the_users_own_are_kept_for_each(envs: Any) -> None:
    envs.set_attr("difficulty", [1, 2, 3])
    assert envs.get_attr("difficulty") == (1, 2, 3)
    envs.set_attr("difficulty", 7)
    assert envs.get_attr("difficulty") == (7, 7, 7)
    with pytest.raises(ShapeError, match="2 values, expected 3"):
        envs.set_attr("difficulty", [1, 2])


def test_shared_attributes_take_one_value(envs: Any) -> None:
    envs.set_attr("render_mode", "rgb_array")
    assert envs.render_mode == "rgb_array"
    with pytest.raises(ParameterError, match="share"):
        envs.set_attr("render_mode", ["rgb_array", None, None])
    with pytest.raises(AttributeError):
        envs.set_attr("dt", 0.1)
    states = envs.get_attr("state")
    envs.set_attr("state", [states[2], states[1], states[0]])
    assert torch.equal(envs.state.q[0], states[2].q)


@pytest.mark.parametrize("mode", MODES)
def test_a_whole_state_is_taken_and_given_back(make: Make, mode: AutoresetMode) -> None:
    envs = make(8, autoreset_mode=mode, max_disagreement=None, terminate_when_unhealthy=False)
    envs.reset(seed=0)
    assert envs.autoreset_mode is mode
    envs.step(actions(8))
    kept, mask = envs.state, np.arange(8) < 4

    def play() -> np.ndarray:
        return np.stack([envs.step(action)[0] for action in actions(4, 8)])

    played = play()
    envs.reset(seed=5)
    assert not torch.equal(envs.state.memory["member"], kept.memory["member"])
    other = envs.state
    envs.state = kept
    np.testing.assert_array_equal(played, play())
    envs.set_state(other)
    envs.set_state(kept, mask=mask)
    assert torch.equal(envs.state.q[~mask], other.q[~mask])
    np.testing.assert_array_equal(played[:, mask], play()[:, mask])


def test_a_state_goes_where_less_is_measured_and_back(make: Make) -> None:
    cut, free = make(3), make(3, max_disagreement=None)
    for envs in (cut, free):
        envs.reset(seed=0)
    for source, target in ((cut, free), (free, cut)):
        source.step(actions(3))
        target.state = source.state
        for name in ("q", "v"):
            assert torch.equal(getattr(target.state, name), getattr(source.state, name))
        assert torch.equal(target.state.memory["member"], source.state.memory["member"])


def test_an_episode_that_had_ended_goes_on_where_it_is_given_back(make: Make) -> None:
    envs = make(2, max_episode_steps=2, max_disagreement=None)
    envs.reset(seed=0)
    envs.step(actions(2))
    kept = envs.state
    reached = envs.step(actions(2))
    assert reached[3].all()
    envs.state = kept
    np.testing.assert_array_equal(envs.step(actions(2))[0], reached[0])


@pytest.mark.parametrize(
    ("memory", "error"),
    [
        ({"member": torch.tensor([0, 1])}, ShapeError),
        ({"member": torch.tensor([0, 1, 3])}, ParameterError),
        ({"member": torch.tensor([0, 1, -1])}, ParameterError),
        ({"member": torch.tensor([0.0, 0.5, 1.0])}, ParameterError),
        ({"member": "first"}, ParameterError),
        ({"goal": torch.zeros(3, 1)}, ParameterError),
    ],
)
def test_a_state_that_is_none_of_these_is_refused(envs: Any, memory: Any, error: Any) -> None:
    before = envs.state
    with pytest.raises(error):
        envs.state = State(before.q + 1, before.v, memory)
    assert torch.equal(envs.state.q, before.q)
    with pytest.raises(ParameterError, match="alone"):
        envs.set_state(before, before.v)


def test_errors_of_masks_are_of_our_tree_and_type_errors(envs: Any) -> None:
    for bad in ([True, False, True], np.ones(3), "all", None):
        with pytest.raises(TypeError) as caught:
            envs.reset(options={"reset_mask": bad})
        assert isinstance(caught.value, LearnedEnvsError)
    with pytest.raises(ArgumentTypeError, match="dictionary"):
        envs.reset(options=[1])
