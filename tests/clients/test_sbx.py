"""SBX, the JAX twin of SB3, trains in our batch for SB3."""

import numpy as np

from learned_envs.sb3 import make_vec_env


def test_ppo_learns_in_our_batch(client):
    sbx = client("sbx")
    envs = make_vec_env("InvertedPendulum", 4, seed=0)
    model = sbx.PPO("MlpPolicy", envs, n_steps=16, batch_size=32, n_epochs=1, seed=0)
    model.learn(64)
    action, _ = model.predict(envs.reset(), deterministic=True)
    assert action.shape == (4, 1)
    assert np.isfinite(action).all()
