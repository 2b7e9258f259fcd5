"""Moving pictures of windows: the real motion, and beside it the predicted one over its ghost."""

from __future__ import annotations

from contextlib import closing
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from learned_envs.card import Card
from learned_envs.data.recording import Array
from learned_envs.envs.render import Renderer
from learned_envs.errors import RenderError
from learned_envs.report.content import Film, Place
from learned_envs.report.measured import Measured

SIZE = 240
"""Width and height of one half, pixels."""

SIZES = {"width": SIZE, "height": SIZE}

FRAMES = 26
"""The most frames of a film."""

LEAST_SECONDS = 0.03
"""Between two frames; browsers show no more of them."""

SLOWEST = 8
"""A short window is shown at most this many times slower than it was."""

WATCHED = 4.0
"""Seconds that a film should take."""

GHOST = 0.6
"""How much of the real motion shows through the predicted one."""

NOTICED = 12
"""Pixels that differ by less, of 255, are the same."""

MOVING = 0.4
"""Share of the pixels that change from frame to frame if the camera moves."""

TINT = (90, 200, 255)
"""Of the ghost."""

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
        RenderError: if nothing can be drawn here, or there is nothing to draw.
    """
    if not card.spec.geoms:
        raise RenderError("the system's MJCF has no shapes to draw.")
    chosen = {"best": 0, "median": len(places) // 2, "worst": len(places) - 1}
    made = []
    with closing(Renderer.of(card, "rgb_array", SIZES, fast=True)) as renderer:
        for name, rank in chosen.items():
            made.append(_film(renderer, measured, name, places[rank], order[rank], card.spec.dt))
    return made


def _film(
    renderer: Renderer, measured: Measured, name: str, place: Place, index: int, dt: float
) -> Film:
    steps = measured.look
    stride = max(1, -(-steps // FRAMES))
    slower = min(SLOWEST, max(1.0, WATCHED / (steps * dt)))
    moments = range(0, steps + 1, stride)
    real = [measured.window.after(step)[index] for step in moments]
    ours = [measured.predicted[step - 1][index] if step else real[0] for step in moments]
    shot = [np.stack([np.asarray(renderer.draw(s)) for s in each]) for each in (real, ours)]
    ghostly = _ghostly(*shot)
    pictures = [
        _captioned(np.concatenate(halves, axis=1), f"{step * dt:.2f} s")
        for *halves, step in zip(shot[0], ghostly, moments, strict=True)
    ]
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
        "blue ghost."
    )
    return Film(name, told, steps * dt, data.getvalue())


def _captioned(both: Array, moment: str) -> Image.Image:
    picture = Image.fromarray(both)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=15)
    for place, text in ((8, f"real  {moment}"), (SIZE + 8, "predicted, real as a ghost")):
        pen.text((place, 6), text, fill="white", font=font, stroke_width=2, stroke_fill="black")
    return picture


def _ghostly(real: Array, predicted: Array) -> Array:
    """Let the real motion show through behind the predicted one, tinted, (frames, *picture).

    What stands still is the median of the frames of whichever moves more. If the camera moves,
    nothing stands still, and the real motion shows through wherever the two differ.
    """

    def differs(one: Array, other: Array) -> Array:
        apart: Array = np.abs(one.astype(int) - other).max(-1, keepdims=True) > NOTICED
        return apart

    medians = [np.median(each, axis=0) for each in (real, predicted)]
    moving = [differs(*pair).mean() for pair in zip((real, predicted), medians, strict=True)]
    still = medians[int(moving[1] > moving[0])]
    own = differs(predicted, still)
    ghost = differs(predicted, real)
    if max(moving) < MOVING:
        ghost = differs(real, still) & ~own
    tinted = 0.5 * real.mean(-1, keepdims=True) + 0.5 * np.array(TINT)
    mixed: Array = np.where(ghost, (1 - GHOST) * predicted + GHOST * tinted, predicted)
    return mixed.clip(0, 255).astype(np.uint8)
