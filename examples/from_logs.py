"""From a folder of CSV files to an environment: recordings of an arm that has no simulator here.

    python examples/from_logs.py

writes recordings as an arm's owner would have them (joint positions with noise, commands that
arrive late, clocks that jitter), looks at them, fits a model, and steps in it.
"""

import tempfile
from pathlib import Path

import gymnasium as gym
import numpy as np

import learned_envs  # noqa: F401  registers LearnedSim-v0
from learned_envs.cli import main

MAP = """
name = "arm"

[time]
column = "t"

[[joints]]
name = "shoulder"
position = "angle"

[[actions]]
column = "torque"
joint = "shoulder"
"""


def write_recordings(folder: Path, episodes: int = 8, rows: int = 500) -> None:
    """Write an arm's recordings: a pendulum with friction, at 50 Hz, that obeys two rows late."""
    rng = np.random.default_rng(0)
    for episode in range(episodes):
        angle, speed = rng.uniform(-1, 1), 0.0
        torques = np.clip(np.cumsum(rng.normal(0, 0.4, rows)), -3, 3)
        lines = ["t,angle,torque"]
        for row in range(rows):
            time = row * 0.02 + rng.uniform(-0.003, 0.003)
            lines.append(f"{time:.6f},{angle + rng.normal(0, 1e-3):.6f},{torques[row]:.4f}")
            told = torques[row - 2] if row >= 2 else 0.0
            for _ in range(20):
                push = told - 9.81 * np.sin(angle) - 0.3 * speed - 0.2 * np.tanh(20 * speed)
                speed += 0.001 * push
                angle += 0.001 * speed
        (folder / f"{episode:02d}.csv").write_text("\n".join(lines))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "recordings").mkdir()
        write_recordings(folder / "recordings")
        (folder / "arm.toml").write_text(MAP)
        recordings, given = str(folder / "recordings"), ["--map", str(folder / "arm.toml")]
        assert main(["logs", "check", recordings, *given]) == 0
        run = str(folder / "arm")
        small = ["--members", "2", "--updates", "400", "--option", "hidden=64,64"]
        assert main(["fit", recordings, *given, "--out", run, *small]) == 0
        env = gym.make("LearnedSim-v0", checkpoint=run)
        observation, _ = env.reset(seed=0)
        for _ in range(100):
            observation, *_ = env.step(env.action_space.sample())
        print(f"after 2 s of random torques the arm is at {observation[0]:.2f} rad")
