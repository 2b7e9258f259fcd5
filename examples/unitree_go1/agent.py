"""The agent that walks the quadruped: PPO, the same where it is recorded, inside and outside."""

from learned_envs.sb3 import AgentConfig

AGENT = AgentConfig(
    n_steps=32,
    batch_size=512,
    n_epochs=5,
    learning_rate=5e-4,
    gamma=0.97,
    log_std_init=-0.7,
    net_arch=(128, 128),
    activation="ELU",
    target_kl=0.02,
    steps=1_000_000,
)
