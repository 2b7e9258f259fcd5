"""CleanRL's PPO for continuous actions, in its own words: a file and no library."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from torch import nn
from torch.distributions import Normal

TASK = "LearnedSim-InvertedPendulum-v0"
GAMMA, STEPS = 0.99, 64


def one() -> gym.Env:
    """Make an environment with CleanRL's wrappers."""
    env = gym.make(TASK, render_mode="rgb_array")
    env = gym.wrappers.FlattenObservation(env)
    env = gym.wrappers.RecordEpisodeStatistics(env)
    env = gym.wrappers.ClipAction(env)
    env = gym.wrappers.NormalizeObservation(env)
    env = gym.wrappers.TransformObservation(
        env, lambda obs: np.clip(obs, -10, 10), env.observation_space
    )
    env = gym.wrappers.NormalizeReward(env, gamma=GAMMA)
    return gym.wrappers.TransformReward(env, lambda reward: float(np.clip(reward, -10, 10)))


def many() -> gym.vector.VectorEnv:
    """Make our batch, with Gymnasium's wrappers for vectors."""
    envs = gym.make_vec(TASK, num_envs=4, autoreset_mode=AutoresetMode.NEXT_STEP)
    envs = gym.wrappers.vector.RecordEpisodeStatistics(envs)
    envs = gym.wrappers.vector.ClipAction(envs)
    return gym.wrappers.vector.NormalizeReward(gym.wrappers.vector.NormalizeObservation(envs))


@pytest.mark.parametrize("make", [lambda: gym.vector.SyncVectorEnv([one] * 4), many])
def test_the_loop_learns_and_counts_episodes(make):
    torch.manual_seed(0)
    envs = make()
    size, actions = envs.single_observation_space.shape[0], envs.single_action_space.shape[0]
    actor = nn.Sequential(nn.Linear(size, 16), nn.Tanh(), nn.Linear(16, actions))
    critic = nn.Sequential(nn.Linear(size, 16), nn.Tanh(), nn.Linear(16, 1))
    log_std = nn.Parameter(torch.zeros(actions))
    parameters = [*actor.parameters(), *critic.parameters(), log_std]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, eps=1e-5)
    observation, _ = envs.reset(seed=1)
    seen, taken, rewards, dones, lengths = [], [], [], [], []
    for _ in range(STEPS):
        seen.append(torch.as_tensor(observation, dtype=torch.float32))
        with torch.no_grad():
            taken.append(Normal(actor(seen[-1]), log_std.exp()).sample())
        observation, reward, terminated, truncated, infos = envs.step(taken[-1].numpy())
        rewards.append(torch.as_tensor(reward, dtype=torch.float32))
        dones.append(torch.as_tensor(np.logical_or(terminated, truncated)))
        if "episode" in infos:
            lengths += infos["episode"]["l"][infos["_episode"]].tolist()
    gain, gains = torch.zeros(4), []
    for reward, done in zip(reversed(rewards), reversed(dones), strict=True):
        gain = reward + GAMMA * gain * ~done
        gains.insert(0, gain)
    before = [p.clone() for p in parameters]
    value = critic(torch.stack(seen)).squeeze(-1)
    likely = Normal(actor(torch.stack(seen)), log_std.exp()).log_prob(torch.stack(taken)).sum(-1)
    advantage = (torch.stack(gains) - value).detach()
    loss = (value - torch.stack(gains)).square().mean() - (likely * advantage).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    envs.close()
    assert torch.isfinite(loss)
    assert all((p != q).any() for p, q in zip(parameters, before, strict=True))
    assert lengths
    # A pole falls within a second; each step is 0.04 s.
    assert max(lengths) < STEPS
