"""Planning in MuJoCo pays what MuJoCo pays, and what a planner considers is recorded."""

import gymnasium as gym
import pytest
import torch
from gymnasium.envs.mujoco.inverted_pendulum_v5 import InvertedPendulumEnv
from gymnasium.envs.registration import EnvSpec

from learned_envs import registry
from learned_envs.collect.collection import collect
from learned_envs.collect.planner import FOLLOWED, SEARCH, plan_outside, real_returns
from learned_envs.errors import ParameterError
from learned_envs.state import State
from learned_envs.systems.reference import describe, make_reference


def test_sequences_pay_what_mujoco_pays():
    env = make_reference("InvertedPendulum")
    env.reset(seed=0)
    task = registry.task_class("InvertedPendulum").create(describe(env), {})
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
    data = collect(task, steps, tmp_path / "data", drivers=learners, random=False, workers=1)
    recording = data.load()
    assert data.actors.keys() == {"learner:planner"}
    assert steps <= recording.steps <= steps + FOLLOWED * SEARCH.horizon
    assert recording.lengths.max() <= max(50, SEARCH.horizon)


def test_actions_that_the_environment_changes_are_refused():
    class Tripled(InvertedPendulumEnv):
        def step(self, action):
            return super().step(3 * action)

    spec = gym.spec("InvertedPendulum-v5")
    env = gym.make(EnvSpec(spec.id, entry_point=Tripled, disable_env_checker=True))
    env.reset(seed=0)
    task = registry.task_class("InvertedPendulum").create(describe(env), {})
    with pytest.raises(ParameterError, match="as they are"):
        real_returns(task, env)


def test_planners_need_actuators(tmp_path):
    with pytest.raises(ParameterError, match="no actuators"):
        collect("ChainPendulum-2", 100, tmp_path, drivers={"planner": plan_outside}, workers=1)
