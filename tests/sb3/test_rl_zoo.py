"""`examples/rl_zoo.yml` has the settings of our agents; run this file to write it again."""

from dataclasses import asdict
from pathlib import Path

from learned_envs import registry
from learned_envs.sb3 import AgentConfig

FILE = Path(__file__).parents[2] / "examples" / "rl_zoo.yml"

HEAD = """\
# The PPO agents of this package, AgentConfig.of(task), for RL Zoo:
#
#   python -m rl_zoo3.train --algo ppo --env LearnedSim-Hopper-v0 --gym-packages learned_envs \\
#       --conf-file rl_zoo.yml --device cpu
#
# RL Zoo steps its environments one by one, which have no process noise.
# learned_envs.sb3.make_vec_env steps them as one batch.
"""


def rendered() -> str:
    """The content that the file should have."""
    text = HEAD
    for task in registry.TASKS:
        if not registry.task_entry(task).driven:
            continue
        settings = asdict(AgentConfig.of(task))
        steps, arch = settings.pop("steps"), settings.pop("net_arch")
        del settings["process_noise"]
        networks = f"log_std_init={settings.pop('log_std_init')}"
        if (activation := settings.pop("activation")) != "Tanh":
            networks += f", activation_fn=nn.{activation}"
        if arch is not None:
            networks += f", net_arch={[*arch]}"
        # RL Zoo reads "lin_" as a rate that goes to zero.
        falling = "lin_" * settings.pop("anneal")
        text += f"\n{registry.env_id(task)}:\n  normalize: true\n  policy: MlpPolicy\n"
        text += f"  n_timesteps: {steps}\n  policy_kwargs: dict({networks})\n"
        for name, value in settings.items():
            if value is None:
                continue
            # YAML reads 3e-4 as text, and True as a word.
            shown = f"{value:.10f}".rstrip("0") if isinstance(value, float) else value
            text += f"  {name}: {falling * (name == 'learning_rate')}{str(shown).lower()}\n"
    return text


def test_the_settings_for_rl_zoo_are_those_of_our_agents() -> None:
    assert FILE.read_text() == rendered(), f"Write {FILE.name} again: python {__file__}"


if __name__ == "__main__":
    FILE.write_text(rendered())
