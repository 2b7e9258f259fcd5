"""d3rlpy learns online in one environment. It pins an older Gymnasium, and works on ours."""

import gymnasium as gym
import numpy as np

PINNED = "d3rlpy pins gymnasium==1.0.0; pip install --no-deps d3rlpy, and what it then misses"


def test_sac_learns_online(client, workplace):
    d3rlpy = client("d3rlpy", PINNED)
    env = gym.make("LearnedSim-InvertedPendulum-v0")
    sac = d3rlpy.algos.SACConfig(batch_size=16).create(device="cpu:0")
    sac.fit_online(
        env,
        d3rlpy.dataset.create_fifo_replay_buffer(limit=200, env=env),
        n_steps=40,
        n_steps_per_epoch=20,
        update_start_step=20,
        show_progress=False,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
    )
    action = sac.predict(np.zeros((1, 4), np.float32))
    assert action.shape == (1, 1)
    assert np.isfinite(action).all()
