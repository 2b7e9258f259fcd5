"""Pictures of a transfer: its numbers as a plot, its motion as a GIF."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio.v3 as imageio
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from PIL import Image, ImageDraw, ImageFont

from learned_envs import registry
from learned_envs.collect.recorder import Policy
from learned_envs.envs.render import Renderer
from learned_envs.sb3.normalisation import Array
from learned_envs.state import State
from learned_envs.systems.reference import make_reference
from learned_envs.transfer.scoring import Transfer

FRAMES = 150
"""The most moving frames of a GIF."""

LAST_FRAMES = 20
"""How many times the last frame is shown, so that a fall is seen."""

FRAME_SECONDS = 0.032
"""Simulated time between two frames; GIFs are shown at close to this pace."""

SIZE = 240
"""Width and height of one half of a frame, pixels."""

LEARNED_COLOUR, REAL_COLOUR = "#d1495b", "#30638e"


@dataclass(frozen=True)
class Footage:
    """The states that one environment went through under a policy.

    Attributes:
        q: (time, nq).
        v: (time, nv).
        fell: whether the task's rules ended the episode.
    """

    q: Array
    v: Array
    fell: bool


def plot_transfer(
    path: Path, title: str, curve: Sequence[tuple[int, float]], transfer: Transfer
) -> None:
    """Draw the learning curve inside, and beside it the returns inside and outside, as a PNG."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title)
    learning, returns = figure.subplots(1, 2, width_ratios=(3, 2))
    if curve:
        learning.plot(*zip(*curve, strict=True), color=LEARNED_COLOUR)
    learning.set(
        xlabel="steps inside the learned environment",
        ylabel="return, mean of 100 episodes",
        title="Training inside (actions still explore)",
    )
    scores = (transfer.inside, transfer.outside)
    colours = (LEARNED_COLOUR, REAL_COLOUR)
    learning.xaxis.set_major_formatter(EngFormatter(sep=""))
    returns.bar((0, 1), [score.mean() for score in scores], color=colours, alpha=0.35, width=0.6)
    for place, (score, colour) in enumerate(zip(scores, colours, strict=True)):
        spread = np.linspace(-0.2, 0.2, len(score))
        returns.plot(place + spread, np.sort(score), ".", color=colour, markersize=5)
    returns.set(
        xticks=(0, 1),
        xticklabels=("inside\n(learned)", "outside\n(real MuJoCo)"),
        ylabel=f"return of {len(transfer.inside)} episodes and their mean",
        title=f"Scored: outside / inside = {transfer.ratio:.2f}",
    )
    for axes in (learning, returns):
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
    figure.savefig(path, dpi=130)


def film_transfer(
    path: Path, policy: Policy, task: str, seed: int, checkpoint: str | Path | None
) -> None:
    """Draw the real and the learned system side by side under one policy, as a GIF.

    Both start from the same state and go their own ways; a system that falls stays where it is.

    Raises:
        RenderError: if nothing can be drawn here.
    """
    made = gym.make(registry.env_id(task), checkpoint=checkpoint, max_disagreement=None)
    with closing(make_reference(task)) as real, closing(made) as learned:
        dt = float(_inner(real).dt)
        steps = round(FRAMES * FRAME_SECONDS / dt)
        observation, _ = real.reset(seed=seed)
        learned.reset(seed=seed)
        start = _of_real(real)
        _inner(learned).set_state(*start)
        films = (
            _follow(real, _of_real, observation, policy, steps),
            _follow(learned, _of_learned, observation, policy, steps),
        )
    stride = max(1, round(FRAME_SECONDS / dt))
    _probe(task, *start)
    frames = []
    with closing(_Studio(task)) as real_studio, closing(_Studio(task)) as learned_studio:
        longest = max(len(film.q) for film in films)
        for now in range(0, longest + LAST_FRAMES * stride, stride):
            halves = [
                _caption(studio.shoot(film, now), f"{name}  {_moment(film, now, dt)}")
                for studio, film, name in zip(
                    (real_studio, learned_studio), films, ("real", "learned"), strict=True
                )
            ]
            frames.append(np.concatenate(halves, axis=1))
    imageio.imwrite(path, np.stack(frames), duration=1000 * stride * dt, loop=0)


class _Studio:
    """Draws the states of one system, fast: GL in software takes 8 times longer with shadows."""

    def __init__(self, task: str) -> None:
        # "track" follows the system; if the MJCF has no such camera, the default one is used.
        self._env = make_reference(
            task, render_mode="rgb_array", width=SIZE, height=SIZE, camera_name="track"
        )
        self._inner = _inner(self._env)
        quality = self._inner.model.vis.quality
        quality.offsamples = quality.shadowsize = 0

    def shoot(self, film: Footage, now: int) -> Array:
        now = min(now, len(film.q) - 1)
        self._inner.set_state(film.q[now], film.v[now])
        return np.asarray(self._inner.render())

    def close(self) -> None:
        self._env.close()


def _probe(task: str, q: Array, v: Array) -> None:
    """Choose a GL library, or raise `RenderError` if there is none."""
    with closing(Renderer(task, "rgb_array", {"width": SIZE, "height": SIZE})) as renderer:
        renderer.draw(State(torch.from_numpy(q), torch.from_numpy(v)))


def _follow(env: Any, state_of: Any, observation: Array, policy: Policy, steps: int) -> Footage:
    states, terminated = [state_of(env)], False
    for _ in range(steps - 1):
        observation, _, terminated, truncated, _ = env.step(policy(observation))
        states.append(state_of(env))
        if terminated or truncated:
            break
    q, v = zip(*states, strict=True)
    return Footage(np.stack(q), np.stack(v), terminated)


def _inner(env: gym.Env[Any, Any]) -> Any:
    """Return the environment without wrappers, whose own attributes Gymnasium's types hide."""
    return env.unwrapped


def _of_real(env: gym.Env[Any, Any]) -> tuple[Array, Array]:
    data = _inner(env).data
    return data.qpos.copy(), data.qvel.copy()


def _of_learned(env: gym.Env[Any, Any]) -> tuple[Array, Array]:
    state = _inner(env).state
    return state.q.double().cpu().numpy(), state.v.double().cpu().numpy()


def _moment(film: Footage, now: int, dt: float) -> str:
    last = len(film.q) - 1
    if film.fell and now >= last:
        return f"fell at {last * dt:.1f} s"
    return f"{min(now, last) * dt:.1f} s"


def _caption(image: Array, text: str) -> Array:
    picture = Image.fromarray(image)
    font = ImageFont.load_default(size=15)
    ImageDraw.Draw(picture).text((8, 6), text, fill="white", font=font)
    return np.asarray(picture)
