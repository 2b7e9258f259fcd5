"""rules="hosted": the real environment's own step() runs, and the model moves its bodies."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from hoppers import actions
from users import users_module

from learned_envs import registry
from learned_envs.checkpoint import save_checkpoint
from learned_envs.dynamics import Ensemble
from learned_envs.envs import making
from learned_envs.errors import ActionError, ParameterError, ResetNeededError, ShapeError
from learned_envs.state import State
from learned_envs.systems.reference import spec_of
from learned_envs.systems.spec import Leaf

Make = Callable[..., Any]

GO1 = Path(__file__).parents[2] / "examples" / "unitree_go1"


@pytest.fixture
def make(checkpoint: Callable[[str], Path]) -> Make:
    def build(task: str = "Hopper", **kwargs: Any) -> Any:
        kwargs = {"checkpoint": checkpoint(task), "rules": "hosted", **kwargs}
        return gym.make(f"LearnedSim-{task}-v0", **kwargs).unwrapped

    return build


@pytest.mark.parametrize("task", ["Hopper", "HalfCheetah", "Walker2d", "Swimmer", "Reacher"])
def test_it_gives_what_the_tasks_own_file_gives(task: str, make: Make) -> None:
    """Every rule of these tasks follows from q, v and the action."""
    options = {"max_disagreement": None, "disagreement_in_info": True}
    hosted, written = make(task, **options), make(task, rules="traced", **options)
    hosted.reset(seed=0)
    written.reset(seed=0)
    state = written.state
    hosted.state = State(state.q.double(), state.v.double(), state.memory)
    hosted.action_space.seed(0)
    for _ in range(10):
        action = hosted.action_space.sample()
        ours, theirs = hosted.step(action), written.step(action)
        # Float32 in the one, whose rewards come near 10, and float64 in the other.
        np.testing.assert_allclose(ours[0], theirs[0], rtol=0, atol=1e-5)
        assert ours[1] == pytest.approx(theirs[1], abs=1e-5)
        assert ours[2:4] == theirs[2:4]
        assert ours[4].keys() == theirs[4].keys()
        if any(ours[2:4]):
            break


def test_the_environment_is_the_real_one(make: Make) -> None:
    env = make(healthy_reward=2.0)
    reference = gym.make("Hopper-v5", healthy_reward=2.0).unwrapped
    assert env.observation_space == reference.observation_space
    assert env.action_space == reference.action_space
    seen, info = env.reset(seed=3)
    expected, expected_info = reference.reset(seed=3)
    np.testing.assert_array_equal(seen, expected)
    assert info == expected_info
    *_, info = env.step(np.zeros(3, np.float32))
    assert info["reward_survive"] == 2.0
    assert isinstance(env.data, mujoco.MjData)
    np.testing.assert_array_equal(env.state.q.numpy(), env.data.qpos)


def test_the_model_moves_it_and_not_mujoco(make: Make) -> None:
    env, reference = make(), gym.make("Hopper-v5").unwrapped
    env.reset(seed=3)
    reference.reset(seed=3)
    seen, *_ = env.step(actions(1)[0])
    real, *_ = reference.step(actions(1)[0])
    # An untrained model says something else.
    assert abs(seen - real).max() > 1e-2


def test_a_seed_determines_the_episodes_that_follow(make: Make) -> None:
    def play(env: Any, seed: int) -> np.ndarray:
        seen = [env.reset(seed=seed)[0]]
        for step, action in enumerate(actions(20)):
            seen.append(env.step(action)[0])
            if step % 5 == 4:
                seen.append(env.reset()[0])
        return np.stack(seen)

    first, second = make(), make()
    played = play(first, 3)
    np.testing.assert_array_equal(played, play(second, 3))
    np.testing.assert_array_equal(played, play(first, 3))
    assert not np.allclose(played, play(second, 4))


def test_it_goes_on_from_a_state_that_was_read(make: Make) -> None:
    env = make()
    env.reset(seed=0)
    begun = env.state
    there = [env.step(action)[0] for action in actions(5)]
    env.reset()
    env.state = begun
    np.testing.assert_array_equal([env.step(action)[0] for action in actions(5)], there)


def test_leaving_the_data_truncates_and_never_terminates(make: Make) -> None:
    env = make(max_disagreement=None)
    env.reset(seed=0)
    env.set_state(env.reference.init_qpos, np.full(6, 1e4))
    before = env.data.qpos.copy()
    *_, terminated, truncated, info = env.step(actions(1)[0])
    assert (terminated, truncated, info["diverged"]) == (False, True, True)
    np.testing.assert_array_equal(env.data.qpos, before)


def test_disagreement_truncates_and_costs(make: Make) -> None:
    options = {"max_disagreement": None, "disagreement_in_info": True}
    plain, cut = make(**options), make(max_disagreement=1e-6)
    costly = make(**{**options, "disagreement_penalty": 2.0})
    for env in (plain, cut, costly):
        env.reset(seed=0)
    results = [env.step(actions(1)[0]) for env in (plain, cut, costly)]
    assert results[1][3]
    assert results[1][4]["out_of_support"]
    expected = results[0][1] - 2 * results[0][4]["disagreement"]
    assert results[2][1] == pytest.approx(expected, rel=1e-5)


def test_physics_that_the_model_does_not_know_are_refused(make: Make) -> None:
    with pytest.raises(ParameterError, match=r"frame_skip is 2, and was 4.*a model fitted to it"):
        make(frame_skip=2)


def test_bad_input_is_refused_and_nothing_has_changed(make: Make) -> None:
    env = make()
    for use in (lambda: env.step(actions(1)[0]), lambda: env.state, env.render):
        with pytest.raises(ResetNeededError, match="reset"):
            use()
    env.reset(seed=0)
    before = env.data.qpos.copy()
    with pytest.raises(ShapeError):
        env.step(np.zeros(2))
    with pytest.raises(ActionError):
        env.step(np.full(3, np.nan))
    with pytest.raises(ShapeError):
        env.set_state(np.zeros(5), np.zeros(6))
    np.testing.assert_array_equal(env.data.qpos, before)
    with pytest.raises(ParameterError, match=r"rules='mine', expected one of 'traced', 'hosted'"):
        make(rules="mine")


def test_many_are_one_beside_the_other(checkpoint: Callable[[str], Path], make: Make) -> None:
    kwargs = {"checkpoint": checkpoint("Hopper"), "rules": "hosted", "max_episode_steps": 3}
    many = gym.make_vec("LearnedSim-Hopper-v0", 64, autoreset_mode="Disabled", **kwargs)
    assert isinstance(many, SyncVectorEnv)
    assert many.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    with closing(many):
        one = make()
        first, _ = many.reset(seed=5)
        np.testing.assert_array_equal(first[1], one.reset(seed=6)[0])
        action = actions(1)[0]
        for _ in range(3):
            seen, _, _, truncated, _ = many.step(np.tile(action, (64, 1)))
            np.testing.assert_array_equal(seen[1], one.step(action)[0])
        assert truncated.all()
    with pytest.raises(ParameterError, match="Got tensors with rules='hosted'"):
        gym.make_vec("LearnedSim-Hopper-v0", 2, tensors=True, **kwargs)


def test_a_few_have_processes_of_their_own(
    checkpoint: Callable[[str], Path], make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "usable_cores", lambda: 2)
    few = gym.make_vec("LearnedSim-Hopper-v0", 2, checkpoint=checkpoint("Hopper"), rules="hosted")
    assert isinstance(few, AsyncVectorEnv)
    with closing(few):
        one = make()
        first, _ = few.reset(seed=5)
        np.testing.assert_array_equal(first[1], one.reset(seed=6)[0])
        seen, *_ = few.step(np.tile(actions(1), (2, 1)))
        np.testing.assert_array_equal(seen[1], one.step(actions(1)[0])[0])


@pytest.fixture
def go1(
    checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """An untrained model of the Go1, in the environment of the examples."""
    monkeypatch.syspath_prepend(GO1)
    # Imported anew, so that it registers its environment anew.
    monkeypatch.delitem(sys.modules, "go1", raising=False)
    text = (
        "from learned_envs import register_task\n"
        "register_task('Go1', 'learned_envs.tasks.motion:Motion', "
        "reference_id='go1:Go1Velocity-v0')\n"
    )
    with users_module(tmp_path, "registers_go1", text) as module:
        __import__(module)
        path = checkpoint("Go1")
        with closing(gym.make("LearnedSim-Go1-v0", checkpoint=path, rules="hosted")) as env:
            yield env.unwrapped


def test_what_the_python_keeps_is_kept(go1: Any) -> None:
    """A command that the reset drew, and the last action, in an environment with a clock."""
    first, _ = go1.reset(seed=0)
    action = np.linspace(-1, 1, 12, dtype=np.float32)
    seen, reward, *_, info = go1.step(action)
    np.testing.assert_array_equal(seen[-3:], first[-3:])
    np.testing.assert_allclose(seen[-15:-3], action)
    costs = sum(value for name, value in info.items() if name.startswith("cost_"))
    assert reward == pytest.approx(info["reward_tracking"] + info["reward_turning"] - costs)


def test_far_from_the_origin_it_moves_as_finely(go1: Any) -> None:
    """A model of float32 steps as at the origin, from where a coordinate cannot matter."""
    ways = []
    for far in (0.0, 1e6):
        go1.reset(seed=0)
        q = go1.state.q.clone()
        q[0] += far
        go1.set_state(q, torch.full((18,), 0.1))
        start = go1.data.qpos[0]
        go1.step(np.zeros(12, np.float32))
        ways.append(go1.data.qpos[0] - start)
    # 1e6 in float64 is known to 1e-10; in float32 to 0.06.
    assert ways[0] == pytest.approx(ways[1], abs=1e-9)
    assert abs(ways[0]) > 1e-4


def test_leaves_of_the_state_are_those_where_a_step_begins(go1: Any, tmp_path: Path) -> None:
    leaves = (Leaf("env._command", 3, frozen=True), Leaf("env._last_action", 12))
    path = tmp_path / "leaves.safetensors"
    spec = replace(spec_of("Go1"), leaves=leaves)
    model = Ensemble(registry.family_class("second_order")(hidden=(8,)), spec, 1)
    save_checkpoint(path, model, {"task": "Go1"})
    with closing(gym.make("LearnedSim-Go1-v0", checkpoint=path, rules="hosted")) as made:
        env: Any = made.unwrapped
        env.reset(seed=0)
        state = env.state
        assert state.memory["env._last_action"].tolist() == [0.0] * 12
        np.testing.assert_allclose(state.memory["env._command"], env.reference._command)
        command = torch.tensor([0.5, -0.25, 0.0])
        env.state = State(state.q, state.v, {**state.memory, "env._command": command})
        seen, *_ = env.step(np.ones(12, np.float32))
        assert seen[-3:].tolist() == command.tolist()
        assert env.state.memory["env._last_action"].tolist() == [1.0] * 12
