"""Pictures of predicted states, drawn by the real environment or from its MJCF."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
from numpy.typing import NDArray
from torch import Tensor

from learned_envs import argument
from learned_envs.card import Card
from learned_envs.errors import ParameterError, RenderError
from learned_envs.state import State
from learned_envs.systems.spec import Leaf

RENDER_MODES = ["human", "rgb_array", "depth_array", "rgbd_tuple"]
"""Those of Gymnasium's MuJoCo environments."""

PICTURE_PARAMETERS = frozenset(
    {
        "width",
        "height",
        "camera_id",
        "camera_name",
        "default_camera_config",
        "max_geom",
        "visual_options",
    }
)
"""The constructor parameters of the reference environment that only its pictures depend on."""


class Renderer:
    """Draws states of a system; MuJoCo is loaded at the first picture.

    Attributes:
        mode: one of `RENDER_MODES`, or None if no pictures are wanted.
    """

    def __init__(
        self,
        task: str,
        mode: str | None,
        picture: Mapping[str, Any],
        leaves: Sequence[Leaf] = (),
        mjcf: str | None = None,
        fast: bool = False,
    ) -> None:
        """Remember what to draw.

        Args:
            task: the registered name of the task, whose real environment draws.
            mode: one of `RENDER_MODES` or None.
            picture: values for `PICTURE_PARAMETERS`.
            leaves: what states have beside q and v.
            mjcf: what draws if the real environment is not installed.
            fast: draw without shadows and smoothing: GL in software takes 8 times longer with them.

        Raises:
            ParameterError: if the mode is unknown, or a value is of no use for pictures.
        """
        if mode is not None:
            argument.choice("render_mode", mode, RENDER_MODES)
        for name, value in picture.items():
            _check(name, value)
        if picture.get("camera_id") is not None and picture.get("camera_name") is not None:
            raise ParameterError("Got camera_id and camera_name, expected one of them.")
        self.mode = mode
        self._task = task
        self._picture = dict(picture)
        self._leaves, self._mjcf, self._fast = tuple(leaves), mjcf, fast
        self._drawn: Any = None

    @classmethod
    def of(
        cls, card: Card, mode: str | None, picture: Mapping[str, Any], fast: bool = False
    ) -> Renderer:
        """Return what draws the states of a checkpoint's system; see `Renderer`."""
        return cls(card.task, mode, picture, card.spec.leaves, card.mjcf, fast)

    def __getstate__(self) -> dict[str, Any]:
        """Keep what to draw and not the window, which opens again with the next picture."""
        return {**self.__dict__, "_drawn": None}

    def draw(self, state: State) -> Any:
        """Draw one state.

        Args:
            state: q (nq) and v (nv). Of its memory, the system's leaves are drawn.

        Returns:
            What the reference environment's `render` returns: None in mode "human".

        Raises:
            RenderError: if there is no mode, or nothing to draw with, such as a display.
        """
        if self.mode is None:
            raise RenderError(
                "The environment was made without a render_mode. Make it with "
                "render_mode='rgb_array' or 'human'."
            )
        q, v = (_array(tensor) for tensor in (state.q, state.v))
        memory = state.memory
        leaves = {x.name: _array(memory[x.name]) for x in self._leaves if x.name in memory}
        first = self._drawn is None
        if first:
            self._drawn = self._open(self.mode)
            if self._fast:
                quality = self._drawn.model.vis.quality
                quality.offsamples = quality.shadowsize = 0
        self._drawn.set_state(q, v, leaves)
        if first:
            _try(self._drawn)
        return self._drawn.render()

    def close(self) -> None:
        """Close windows and GL contexts; the next `draw` opens them again."""
        if self._drawn is not None:
            self._drawn.close()
            self._drawn = None

    def _open(self, mode: str) -> Any:
        # GLFW aborts the whole process if MuJoCo opens a window without a display.
        if mode == "human" and not _has_display():
            raise RenderError(
                "render_mode='human' opens a window, and there is no display. Use "
                "render_mode='rgb_array', or set DISPLAY."
            )
        if mode != "human":
            _find_gl()
        # Imports MuJoCo, which reads MUJOCO_GL.
        from learned_envs.systems.picture import Drawing, RealDrawing

        try:
            return RealDrawing(self._task, self._leaves, mode, self._picture)
        except (ImportError, ParameterError, gym.error.Error) as error:
            if self._mjcf is None:
                raise RenderError(
                    f"Pictures of {self._task} are drawn by its environment, which cannot be made "
                    f"here ({error}), because the weights' card holds no MJCF."
                ) from error
        return Drawing(self._mjcf, self._leaves, mode, self._picture)


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().double().cpu().numpy()


def _try(drawn: Any) -> None:
    """Draw once, to see whether anything can be drawn here."""
    try:
        drawn.render()
    except (RuntimeError, ImportError, AttributeError) as error:
        raise RenderError(
            f"MuJoCo cannot draw with MUJOCO_GL={os.environ.get('MUJOCO_GL')}: {error}. "
            "Install a software renderer with `apt install libegl1 libgl1-mesa-dri` and set "
            "MUJOCO_GL=egl."
        ) from error


def _check(name: str, value: object) -> None:
    """Check one of `PICTURE_PARAMETERS`."""
    if name in ("width", "height", "max_geom"):
        argument.count(name, value, most=2**31 - 1)
    elif value is None:
        return
    elif name == "camera_id":
        argument.count(name, value, -1, 2**31 - 1)
    elif name == "camera_name" and not isinstance(value, str):
        raise ParameterError(f"Got {name}={argument.shown(value)}, expected a name.")
    elif name != "camera_name" and not isinstance(value, Mapping):
        raise ParameterError(f"Got {name}={argument.shown(value)}, expected a dictionary.")


def _find_gl() -> None:
    """Choose EGL if the user chose nothing and GLFW, the default, has no display.

    It is chosen late because MUJOCO_GL=egl without libEGL breaks the import of mujoco itself.
    """
    if "MUJOCO_GL" in os.environ or sys.platform != "linux" or _has_display():
        return
    try:
        ctypes.CDLL("libEGL.so.1")
    except OSError:
        raise RenderError(
            "There is no display, and libEGL, which draws without one, is not installed. "
            "Install it with `apt install libegl1`."
        ) from None
    os.environ["MUJOCO_GL"] = "egl"


def _has_display() -> bool:
    import glfw

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(glfw.init()) and bool(glfw.get_primary_monitor())
