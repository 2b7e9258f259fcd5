"""Minari's own recorder keeps episodes of a learned environment."""

import gymnasium as gym

TASK = "LearnedSim-InvertedPendulum-v0"


def test_minari_records_a_learned_environment(client, workplace):
    minari = client("minari")
    env = minari.DataCollector(gym.make(TASK))
    for seed in range(2):
        env.reset(seed=seed)
        ended = False
        while not ended:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            ended = terminated or truncated
    dataset = env.create_dataset(dataset_id="learned/pendulum-v0", eval_env=TASK)
    env.close()
    again = minari.load_dataset("learned/pendulum-v0")
    assert again.total_episodes == 2
    assert again.total_steps == dataset.total_steps
    assert again.recover_environment().spec.id == TASK
