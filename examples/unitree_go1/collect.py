"""Record agents while they learn to walk in the real quadruped, for a model to be fitted to.

From this folder:

    python collect.py --out data/go1
    learned-envs fit go1:Go1Velocity-v0 --data data/go1 --out runs/go1

The agents that `learned-envs fit` records by itself have settings for any environment. Those of
agent.py are tuned for this one, so that more of what is recorded is of walking.
"""

from functools import partial
from pathlib import Path

import tyro
from agent import AGENT

from learned_envs.collect.collection import collect
from learned_envs.sb3 import learn_outside

TASK = "go1:Go1Velocity-v0"


def main(
    out: Path = Path("data/go1"), steps: int = 1_200_000, learners: int = 2, random: bool = False
) -> None:
    """Record a dataset; one that was interrupted goes on.

    Args:
        out: its folder.
        steps: real steps, which all who act share evenly.
        learners: agents that learn.
        random: whether an actor takes part who acts at random.
    """
    learn = partial(learn_outside, config=AGENT)
    drivers = {f"ppo-{index}": learn for index in range(learners)}
    collect(TASK, steps, out, drivers=drivers, random=random, on_progress=print)


if __name__ == "__main__":
    tyro.cli(main)
