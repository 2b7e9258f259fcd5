"""The functional face is pure, gives what the vector face gives, and lets gradients through."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from learned_envs.envs import FunctionalEnv, LearnedVectorEnv
from learned_envs.envs.batch import EnvState
from learned_envs.errors import ActionError, ParameterError, ResetNeededError, ShapeError
from learned_envs.state import leaves, mapped

Make = Callable[..., FunctionalEnv]

COUNT = 5
SHORT = {"healthy_state_range": (-0.7, 0.7), "max_episode_steps": 6}
"""Some episodes end by a fall before the limit does."""


@pytest.fixture
def make(checkpoint: Callable[[str], Path]) -> Make:
    def build(**options: Any) -> FunctionalEnv:
        return FunctionalEnv("Hopper", COUNT, **{"checkpoint": checkpoint("Hopper"), **options})

    return build


def actions(steps: int) -> torch.Tensor:
    return 2 * torch.rand(steps, COUNT, 3, generator=torch.Generator().manual_seed(0)) - 1


def assert_equal(ours: EnvState, theirs: EnvState) -> None:
    for one, other in zip(leaves(ours), leaves(theirs), strict=True):
        assert torch.equal(one, other)


def test_a_step_is_pure(make: Make) -> None:
    env = make(**SHORT)
    states = [env.init(seed=3)]
    for action in actions(30):
        states.append(env.step(states[-1], action))
    kept = [mapped(torch.clone, state) for state in states]
    # In another order, in another environment, after others were begun: nothing is different.
    other = make(**SHORT)
    other.init(seed=4)
    for t in reversed(range(30)):
        assert_equal(env.step(states[t], actions(30)[t]), kept[t + 1])
        assert_equal(other.step(states[t], actions(30)[t]), kept[t + 1])
    assert_equal(env.init(seed=3), kept[0])
    for state, copy in zip(states, kept, strict=True):
        assert_equal(state, copy)
    assert torch.stack([state.begun for state in states[1:]]).any()


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_it_gives_what_the_vector_face_gives(
    make: Make, checkpoint: Callable[[str], Path], mode: AutoresetMode
) -> None:
    env = make(autoreset_mode=mode, **SHORT)
    weights = checkpoint("Hopper")
    envs = LearnedVectorEnv(
        "Hopper", COUNT, checkpoint=weights, autoreset_mode=mode, tensors=True, **SHORT
    )
    state, (observation, _) = env.init(seed=7), envs.reset(seed=7)
    assert torch.equal(state.observation, observation)
    ends = 0
    for action in actions(40):
        state, (observation, *signals, infos) = env.step(state, action), envs.step(action)
        assert torch.equal(state.observation, observation)
        ours = state.reward, state.terminated, state.truncated
        assert all(map(torch.equal, ours, signals))
        ended = signals[1] | signals[2]
        ends += int(ended.sum())
        if mode is AutoresetMode.SAME_STEP and ended.any():
            assert torch.equal(state.begun, ended)
            assert torch.equal(state.final_observation[ended], infos["final_obs"][ended])
            for name, column in state.info.items():
                assert torch.equal(column[ended], infos["final_info"][name][ended])
        if mode is AutoresetMode.DISABLED and ended.any():
            with pytest.raises(ResetNeededError):
                env.step(state, action)
            state = env.reset(state, ended)
            observation, _ = envs.reset(options={"reset_mask": ended})
            assert torch.equal(state.observation, observation)
    assert ends > 40 / 6 * COUNT / 2


def test_the_limit_is_the_references_unless_it_is_given(make: Make) -> None:
    def truncated(**options: Any) -> torch.Tensor:
        # Nothing but the limit can end these.
        env = make(terminate_when_unhealthy=False, max_disagreement=None, **options)
        state = env.init(seed=0)
        late = replace(state.episodes, elapsed=torch.full((COUNT,), 999))
        return env.step(replace(state, episodes=late), torch.zeros(COUNT, 3)).truncated

    assert truncated().all()
    assert not truncated(max_episode_steps=-1).any()
    assert not truncated(max_episode_steps=1001).any()


def test_gradients_flow_to_the_actions_and_to_the_state(make: Make) -> None:
    env = make(max_disagreement=None, terminate_when_unhealthy=False)
    start = env.init(seed=0)

    def returns(plan: torch.Tensor) -> torch.Tensor:
        state, total = start, torch.zeros(COUNT)
        for action in plan:
            state = env.step(state, action)
            total = total + state.observation.square().sum(-1)
        return total.sum()

    plan = (0.5 * actions(4)).requires_grad_()
    (gradient,) = torch.autograd.grad(returns(plan), plan)
    assert (gradient.abs().amax((1, 2)) > 0).all()
    # Along its gradient a function of float32 grows as the gradient says, to 1e-2.
    step = 1e-2 * gradient / gradient.norm()
    with torch.no_grad():
        slope = (returns(plan + step) - returns(plan - step)) / (2 * 1e-2)
    assert slope.item() == pytest.approx(gradient.norm().item(), rel=1e-2)
    moved = mapped(lambda t: t.clone().requires_grad_(t.is_floating_point()), start)
    env.step(moved, plan[0].detach()).reward.sum().backward()
    assert moved.episodes.state.v.grad.abs().sum() > 0


def test_nothing_is_recorded_that_is_not_asked_for(make: Make) -> None:
    env = make()
    state = env.step(env.init(seed=0), torch.zeros(COUNT, 3))
    assert not any(leaf.requires_grad for leaf in leaves(state))


def test_bad_arguments_are_refused(make: Make) -> None:
    env = make()
    state = env.init(seed=0)
    with pytest.raises(ShapeError):
        env.step(state, torch.zeros(COUNT, 2))
    with pytest.raises(ActionError):
        env.step(state, torch.full((COUNT, 3), torch.nan))
    with pytest.raises(ParameterError, match="wheels"):
        make(wheels=4)
    with pytest.raises(ParameterError, match="num_envs"):
        FunctionalEnv("Hopper", 0)


def test_an_id_and_a_numpy_action_will_do() -> None:
    env = FunctionalEnv("LearnedSim-InvertedPendulum-v0", 2)
    state = env.step(env.init(seed=0), np.zeros((2, 1)))  # type: ignore[arg-type]
    assert state.reward.tolist() == [1.0, 1.0]
