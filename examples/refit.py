"""Record a system of your choice, fit a model to it, then refit it with more data."""

import gymnasium as gym
import tyro

import learned_envs
from learned_envs.fit import Dataset, FitConfig, TrainingConfig, collect, fit

gym.register_envs(learned_envs)


def main(task: str = "InvertedPendulum", steps: int = 100_000, updates: int = 5_000) -> None:
    """Fit, add data, and refit from the first fit's weights.

    Args:
        task: which task; `learned-envs list` names them.
        steps: real steps to record, twice.
        updates: gradient steps, twice.
    """
    training = TrainingConfig(updates=updates, horizons=(2, 4))
    data = collect(task, steps, "data/refit", seed=0)
    first = fit(task, "runs/first", FitConfig(data="data/refit", training=training))

    # Any policy can be recorded too: collect(..., policies={"mine": policy}).
    data = collect(task, steps, Dataset.open("data/refit"), seed=1)
    print(f"refitting to {data.steps:,} real steps, of which {first.card['real_steps']:,} are old")
    again = FitConfig(data="data/refit", start="runs/first", training=training)
    for name, simulation in (("first", first), ("second", fit(task, "runs/second", again))):
        held_out = simulation.card["held_out"]
        model = next(curve for curve in held_out["curves"] if curve["name"] == "model")
        print(name, dict(zip(held_out["horizons"], model["median"], strict=True)))

    env = gym.make(f"LearnedSim-{task}-v0", checkpoint="runs/second")
    print("observation", env.reset(seed=0)[0])


if __name__ == "__main__":  # collect starts processes that import this file
    tyro.cli(main)
