"""Tianshou collects in its own vector of our environments, and learns."""

from functools import partial

import gymnasium as gym
import torch


def gaussian(parameters):
    return torch.distributions.Independent(torch.distributions.Normal(*parameters), 1)


def test_ppo_learns(client):
    client("tianshou")
    from tianshou.algorithm import PPO
    from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv
    from tianshou.trainer import OnPolicyTrainerParams
    from tianshou.utils.net.common import Net
    from tianshou.utils.net.continuous import ContinuousActorProbabilistic, ContinuousCritic

    make = partial(gym.make, "LearnedSim-InvertedPendulum-v0")
    space = make().action_space
    net = partial(Net, state_shape=(4,), hidden_sizes=[8])
    actor = ContinuousActorProbabilistic(preprocess_net=net(), action_shape=space.shape)
    policy = ProbabilisticActorPolicy(actor=actor, dist_fn=gaussian, action_space=space)
    critic = ContinuousCritic(preprocess_net=net())
    algorithm = PPO(policy=policy, critic=critic, optim=AdamOptimizerFactory(lr=1e-3))
    collector = Collector(algorithm, DummyVectorEnv([make] * 2), VectorReplayBuffer(200, 2))
    result = algorithm.run_training(
        OnPolicyTrainerParams(
            training_collector=collector,
            max_epochs=1,
            epoch_num_steps=64,
            collection_step_num_env_steps=32,
            update_step_num_repetitions=1,
            batch_size=16,
            show_progress=False,
        )
    )
    assert result.train_step == 64
    assert result.train_episode > 0
