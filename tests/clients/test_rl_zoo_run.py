"""RL Zoo trains by the settings of our agents, and its agent is told apart from a whole one."""

import subprocess
import sys
from pathlib import Path

import pytest

from learned_envs.errors import CheckpointError
from learned_envs.sb3 import Agent

SETTINGS = Path(__file__).parents[2] / "examples" / "rl_zoo.yml"
TASK = "LearnedSim-InvertedPendulum-v0"
COMMAND = f"""
-m rl_zoo3.train --algo ppo --env {TASK} --gym-packages learned_envs --conf-file {SETTINGS}
--device cpu -f logs -n 64 --eval-freq -1 -params n_envs:2 n_steps:32 batch_size:32 n_epochs:1
"""


def test_the_zoo_trains_by_our_settings(client, workplace):
    client("rl_zoo3")
    done = subprocess.run([sys.executable, *COMMAND.split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = workplace / "logs" / "ppo" / f"{TASK}_1"
    assert (folder / TASK / "vecnormalize.pkl").is_file()
    # The statistics lie elsewhere, as a pickle: without them the agent would act blindly.
    with pytest.raises(CheckpointError, match="statistics"):
        Agent.load(folder / f"{TASK}.zip")
