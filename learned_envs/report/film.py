"""Moving pictures of windows: the real motion, and beside it the predicted one over its ghost."""

from __future__ import annotations

from contextlib import closing
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from learned_envs.card import Card
from learned_envs.data.recording import Array
from learned_envs.envs.render import Renderer
from learned_envs.report.content import Film, Place
from learned_envs.report.measured import Measured
from learned_envs.state import State

SIZE = 240
"""Width and height of one half, pixels."""

FRAMES = 60
"""The most frames of a film."""

LEAST_SECONDS = 0.03
"""Between two frames; browsers show no more of them."""

SLOWEST = 8
"""A short window is shown at most this many times slower than it was."""

WATCHED = 4.0
"""Seconds that a film should take."""

GHOST = 0.4
"""How much of the real motion shows through the predicted one."""

QUALITY = 60


def films(
    measured: Measured, places: tuple[Place, ...], order: list[int], card: Card
) -> list[Film]:
    """Film the best, the median and the worst window.

    Args:
        measured: the windows.
        places: of them, from the least error on.
        order: their indices, likewise.
        card: says what draws them.

    Raises:
        RenderError: if nothing can be drawn here.
    """
    chosen = {"best": 0, "median": len(places) // 2, "worst": len(places) - 1}
    made = []
    with closing(Renderer.of(card, "rgb_array", {"width": SIZE, "height": SIZE})) as renderer:
        for name, rank in chosen.items():
            made.append(_film(renderer, measured, name, places[rank], order[rank], card.spec.dt))
    return made


def _film(
    renderer: Renderer, measured: Measured, name: str, place: Place, index: int, dt: float
) -> Film:
    steps = measured.look
    stride = max(1, -(-steps // FRAMES))
    slower = min(SLOWEST, max(1.0, WATCHED / (steps * dt)))
    pictures = []
    for step in range(0, steps + 1, stride):
        real = measured.window.after(step)[index]
        predicted = measured.predicted[step - 1][index] if step else real
        pictures.append(_frame(renderer, real, predicted, f"{step * dt:.2f} s"))
    data = BytesIO()
    pictures[0].save(
        data,
        "WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 * max(LEAST_SECONDS, stride * dt * slower)),
        loop=0,
        quality=QUALITY,
    )
    pace = "" if slower == 1.0 else f", shown {slower:.1f} times slower"
    told = (
        f"The {name} window: episode {place.episode} from step {place.step}, {steps} steps "
        f"({steps * dt:.2g} s{pace}). Error at its end {place.error:.2g}; {place.worst} is "
        "farthest off. Left: the real motion. Right: the predicted one, with the real one as a "
        "faint ghost."
    )
    return Film(name, told, steps * dt, data.getvalue())


def _frame(renderer: Renderer, real: State, predicted: State, moment: str) -> Image.Image:
    left, right = (np.asarray(renderer.draw(state)) for state in (real, predicted))
    both = np.concatenate([left, _ghost(right, left)], axis=1)
    picture = Image.fromarray(both)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=15)
    for place, text in ((8, f"real  {moment}"), (SIZE + 8, "predicted, real as a ghost")):
        pen.text((place, 6), text, fill="white", font=font, stroke_width=2, stroke_fill="black")
    return picture


def _ghost(picture: Array, ghost: Array) -> Array:
    """Let a grey picture show through another one."""
    grey = ghost.mean(-1, keepdims=True)
    mixed: Array = ((1 - GHOST) * picture + GHOST * grey).clip(0, 255).astype(np.uint8)
    return mixed
