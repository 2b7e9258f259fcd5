"""Planning in MuJoCo pays what MuJoCo pays, and what a planner considers is recorded."""

from functools import partial

import numpy as np
import pytest
import torch

from learned_envs import catalogue
from learned_envs.errors import ParameterError
from learned_envs.fit.collection import collect
from learned_envs.fit.planner import FOLLOWED, SEARCH, plan_outside, real_returns
from learned_envs.fit.reference import describe, make_reference
from learned_envs.state import State


def test_sequences_pay_what_mujoco_pays():
    env = make_reference("InvertedPendulum")
    env.reset(seed=0)
    task = catalogue.task_class("InvertedPendulum").create(describe(env), {})
    data = env.unwrapped.data
    state = State(torch.tensor(data.qpos.copy())[None], torch.tensor(data.qvel.copy())[None])
    actions = 3 * (2 * torch.rand(1, 4, 60, 1, generator=torch.Generator().manual_seed(0)) - 1)
    imagined = real_returns(task, env)(state, actions)
    for sequence, total in zip(actions[0], imagined[0], strict=True):
        env.reset(seed=0)
        paid = 0.0
        for action in sequence:
            _, reward, terminated, _, _ = env.step(action.numpy())
            paid += reward
            if terminated:
                break
        assert total.item() == paid


# Episodes that never end, that end by a fall, and that end after 50 steps.
@pytest.mark.parametrize(
    ("task", "steps"), [("HalfCheetah", 300), ("Hopper", 300), ("Reacher", 12_500)]
)
def test_what_planners_consider_is_recorded(task, steps, tmp_path):
    learners = {"planner": plan_outside}
    data = collect(task, steps, tmp_path / "data", learners=learners, random=False, workers=1)
    recording = data.load()
    assert data.sources.keys() == {"learner:planner"}
    assert steps <= recording.steps <= steps + FOLLOWED * SEARCH.horizon
    assert recording.lengths.max() <= max(50, SEARCH.horizon)


# A planner that searches in a learned model acts in the real environment all the same.
def test_planners_in_a_model_are_recorded_outside(tmp_path):
    task = "InvertedPendulum"
    learners = {"planner": partial(plan_outside, fitted=task)}
    recording = collect(task, 300, tmp_path, learners=learners, random=False, workers=1).load()
    env = make_reference(task)
    env.reset(seed=0)
    env.unwrapped.set_state(recording.qpos[0], recording.qvel[0])
    env.step(recording.actions[0])
    np.testing.assert_array_equal(env.unwrapped.data.qpos, recording.qpos[1])


def test_planners_need_actuators(tmp_path):
    with pytest.raises(ParameterError, match="no actuators"):
        collect("ChainPendulum-2", 100, tmp_path, learners={"planner": plan_outside}, workers=1)
