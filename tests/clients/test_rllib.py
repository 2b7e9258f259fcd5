"""RLlib trains by id. It pins Gymnasium 1.2.2, so it needs a virtual environment of its own."""

import numpy as np

PINNED = 'RLlib pins gymnasium==1.2.2; pip install . "ray[rllib]" in an environment of its own'


def test_ppo_learns_by_id(client, workplace):
    client("ray.rllib", PINNED)
    import ray
    from ray.rllib.algorithms.ppo import PPOConfig

    config = (
        PPOConfig()
        .environment("learned_envs:LearnedSim-InvertedPendulum-v0")
        .env_runners(num_env_runners=0, num_envs_per_env_runner=2)
        .training(train_batch_size_per_learner=64, minibatch_size=32, num_epochs=1)
    )
    try:
        algorithm = config.build_algo()
        figures = algorithm.train()["env_runners"]
        algorithm.stop()
    finally:
        ray.shutdown()
    assert figures["num_env_steps_sampled"] >= 64
    assert np.isfinite(figures["episode_return_mean"])
