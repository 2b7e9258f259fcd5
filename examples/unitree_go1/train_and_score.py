"""Train agents inside the learned quadruped and outside in the real one, and score both outside.

From this folder, after a fit:

    learned-envs fit go1:Go1Velocity-v0 --out runs/go1
    python train_and_score.py --checkpoint runs/go1

Agents are kept in the folder `out`, and those that are there already are not trained again. So the
seeds may be trained by several processes, each with its own `--seeds`, before one scores them all.
"""

import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import go1  # noqa: F401  # registers Go1Velocity-v0
import gymnasium as gym
import numpy as np
import torch
import tyro
from agent import AGENT
from PIL import Image, ImageDraw, ImageFont
from stable_baselines3.common import env_util

from learned_envs import sb3
from learned_envs.errors import CheckpointError
from learned_envs.state import State
from learned_envs.transfer import Comparison, random_policy

REAL, LEARNED = "Go1Velocity-v0", "LearnedSim-v0"

STEPS, SETTLING = 500, 25
"""Steps of an episode, and those of its first half second, in which it has to pick up speed."""

VELOCITY, TURNING, COMMAND = slice(6, 8), 5, slice(-3, None)
"""Where an observation has the velocity, the turning rate and the command."""

TOUR = ((0.8, 0.0, 0.0), (0.0, 0.4, 0.0), (0.4, 0.0, 0.8), (-0.5, 0.0, 0.0))
"""What the film commands: forward, left, a curve, backward."""

TOUR_STEPS, STRIDE, SIZE = 100, 5, 208
"""Steps of each command, steps from one frame to the next, pixels of one half of a frame."""


@dataclass(frozen=True)
class Walk:
    """What a policy made of its commands, each the mean over episodes.

    Attributes:
        returned: sums of rewards.
        error: norm of the commanded less the measured velocity in the trunk's frame, m/s, without
            the first half second. One that fell counts as standing still.
        turning_error: likewise of the turning rate, rad/s.
        falls: share of the episodes that ended early.
    """

    returned: float
    error: float
    turning_error: float
    falls: float

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"return {self.returned:.0f}, error {self.error:.3f} m/s and "
            f"{self.turning_error:.3f} rad/s, {self.falls:.0%} fell"
        )


def walk(policy, envs: gym.vector.VectorEnv, seed: int = 1000) -> Walk:
    """Let a policy walk one whole episode in each environment; all of them are closed then."""
    with closing(envs):
        observation, _ = envs.reset(seed=seed)
        command = np.array(observation[:, COMMAND])
        running = np.ones(len(command), dtype=bool)
        returns, errors = np.zeros(len(command)), []
        for _ in range(STEPS):
            observation, reward, terminated, truncated, _ = envs.step(policy(observation))
            returns += np.where(running, reward, 0.0)
            measured = np.c_[observation[:, VELOCITY], observation[:, TURNING]]
            errors.append(command - np.where(running[:, None], measured, 0.0))
            last = len(errors) == STEPS
            running &= ~(terminated | (truncated & (not last)))
    late = np.stack(errors[SETTLING:])
    return Walk(
        float(returns.mean()),
        float(np.linalg.norm(late[..., :2], axis=-1).mean()),
        float(np.abs(late[..., 2]).mean()),
        float(1 - running.mean()),
    )


def trained(where: str, checkpoint: Path, steps: int, seed: int, out: Path):
    """Train an agent inside or outside with the same settings, or load it; and say the minutes."""
    folder = out / f"{where}-{seed}"
    try:
        return sb3.Agent.load(folder), float((folder / "minutes.txt").read_text())
    except CheckpointError:
        pass
    if where == "inside":
        # Without cuts as well: one that cannot walk yet falls where the members disagree.
        arguments = {"checkpoint": checkpoint, "max_disagreement": None}
        envs = sb3.training_envs(LEARNED, AGENT, arguments)
    else:
        envs = env_util.make_vec_env(REAL, AGENT.n_envs)
    began = time.perf_counter()
    with closing(envs):
        agent = sb3.train_agent(envs, steps, AGENT, seed)
    minutes = (time.perf_counter() - began) / 60
    agent.save(folder)
    (folder / "minutes.txt").write_text(f"{minutes:.1f}")
    return agent, minutes


def film(path: Path, policy, checkpoint: Path) -> None:
    """Draw the learned quadruped on the left and the real one on the right, as a GIF.

    Both begin in one state and are told the same, and each goes its own way. One that falls stays
    where it is.
    """
    real = gym.make(REAL).unwrapped
    learned = gym.make(LEARNED, checkpoint=checkpoint, max_disagreement=None).unwrapped
    observation, _ = real.reset(seed=0)
    learned.reset(seed=0)
    learned.set_state(real.data.qpos, real.data.qvel)
    seen = {"learned": observation, "MuJoCo": observation}
    running = {"learned": learned, "MuJoCo": real}
    moments = []
    for step in range(TOUR_STEPS * len(TOUR)):
        command = np.array(TOUR[step // TOUR_STEPS])
        if step % TOUR_STEPS == 0:
            real._command = command
            state = learned.state
            told = {"env._command": torch.as_tensor(command).to(state.q)}
            learned.state = State(state.q, state.v, {**state.memory, **told})
            for name, observation in seen.items():
                seen[name] = np.concatenate([observation[:-3], command])
        for name, env in list(running.items()):
            seen[name], _, terminated, _, _ = env.step(policy(seen[name]))
            if terminated:
                del running[name]
        if step % STRIDE == 0:
            places = learned.state.q.double().numpy(), real.data.qpos.copy()
            moments.append((command, *places))
    write_film(path, moments)


def write_film(path: Path, moments) -> None:
    """Draw commands and places of both quadrupeds, and write them as a GIF."""
    with closing(gym.make(REAL, render_mode="rgb_array", width=SIZE, height=SIZE)) as env:
        env.reset(seed=0)
        # GL in software takes 8 times as long with shadows.
        env.unwrapped.model.vis.quality.shadowsize = 0
        pictures = []
        for command, *places in moments:
            both = Image.new("RGB", (2 * SIZE, SIZE))
            for half, (name, place) in enumerate(zip(("learned", "MuJoCo"), places, strict=True)):
                env.unwrapped.set_state(place, np.zeros(18))
                both.paste(Image.fromarray(env.render()), (half * SIZE, 0))
                words = f"{name}   told {command[0]:+.1f} {command[1]:+.1f} {command[2]:+.1f}"
                ImageDraw.Draw(both).text(
                    (half * SIZE + 8, 6), words, fill="white", font=ImageFont.load_default(size=14)
                )
            pictures.append(both)
    # One palette for all frames: nothing flickers, and the file is small.
    palette = pictures[0].quantize(32)
    few = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    few[0].save(path, save_all=True, append_images=few[1:], duration=20 * STRIDE, loop=0)


def main(
    checkpoint: Path = Path("runs/go1"),
    out: Path = Path("runs/agents"),
    steps: int = AGENT.steps,
    episodes: int = 64,
    seeds: tuple[int, ...] = (0, 1, 2),
    gif: Path | None = None,
) -> None:
    """Print what agents that were trained inside and outside make of their commands outside.

    Args:
        checkpoint: the folder of the fit.
        out: the folder of the agents.
        steps: environment steps to train for.
        episodes: episodes in a score.
        seeds: one agent each, inside and outside.
        gif: a film of the first agent that was trained inside, if it is wanted.
    """

    def real():
        return gym.make_vec(REAL, episodes, vectorization_mode="sync")

    def learned():
        # Without cuts where the members of the ensemble disagree: whole episodes are compared.
        return gym.make_vec(
            LEARNED, num_envs=episodes, checkpoint=checkpoint, max_disagreement=None
        )

    chance = walk(random_policy(gym.make(REAL).action_space), real())
    print(f"random actions: {chance}", flush=True)
    inside, outside, references, minutes = [], [], [], []
    for seed in seeds:
        agent, inside_minutes = trained("inside", checkpoint, steps, seed, out)
        reference, outside_minutes = trained("outside", checkpoint, steps, seed, out)
        inside.append(walk(agent, learned()))
        outside.append(walk(agent, real()))
        references.append(walk(reference, real()))
        minutes.append((inside_minutes, outside_minutes))
        print(f"seed {seed}, trained inside, inside: {inside[-1]}", flush=True)
        print(f"seed {seed}, trained inside, outside: {outside[-1]}", flush=True)
        print(f"seed {seed}, trained outside: {references[-1]}", flush=True)
        if gif is not None and seed == seeds[0]:
            film(gif, agent, checkpoint)
    comparison = Comparison(
        agent={**asdict(AGENT), "steps": steps},
        episodes=episodes,
        seeds=seeds,
        inside=[of.returned for of in inside],
        outside=[of.returned for of in outside],
        trained_outside=[of.returned for of in references],
        random=chance.returned,
        minutes=dict(zip(("inside", "outside"), np.mean(minutes, axis=0).tolist(), strict=True)),
    )
    for name, cell in zip(comparison.COLUMNS, comparison.cells(), strict=True):
        print(f"{name}: {cell}")
    error = np.mean([of.error for of in outside])
    print(f"error outside: {error:.3f} m/s; minutes of a training: {comparison.minutes}")


if __name__ == "__main__":
    tyro.cli(main)
