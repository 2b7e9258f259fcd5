"""TorchRL: GymEnv makes one environment by its id, GymWrapper takes a vector of them."""

import gymnasium as gym
import pytest
import torch

HOPPER = "LearnedSim-Hopper-v0"


def test_gym_env_makes_one_by_its_id(client):
    client("torchrl")
    from torchrl.envs import GymEnv
    from torchrl.envs.utils import check_env_specs

    env = GymEnv(HOPPER)
    check_env_specs(env)
    rollout = env.rollout(5)
    assert rollout["next", "observation"].shape == (5, 11)
    env.set_seed(3)
    first = env.reset()["observation"]
    env.set_seed(3)
    assert torch.equal(env.reset()["observation"], first)


@pytest.mark.parametrize("tensors", [False, True])
def test_gym_wrapper_takes_a_batch(tensors, client):
    client("torchrl")
    from torchrl.envs import GymWrapper

    envs = gym.make_vec(HOPPER, num_envs=3, autoreset_mode="SameStep", tensors=tensors)
    rollout = GymWrapper(envs).rollout(40, break_when_any_done=False)
    observation = rollout["next", "observation"]
    assert observation.shape == (3, 40, 11)
    assert observation.dtype is (torch.float32 if tensors else torch.float64)
    # Under random actions a hopper falls in less than a second.
    assert rollout["next", "done"].any()
    assert observation.isfinite().all()
