"""Pictures of predicted states, drawn by the reference environment's own MuJoCo renderer."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from learned_envs import argument
from learned_envs.errors import ParameterError, RenderError

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

    def __init__(self, task: str, mode: str | None, picture: Mapping[str, Any]) -> None:
        """Remember what to draw.

        Args:
            task: the registered name of the task, whose real environment draws.
            mode: one of `RENDER_MODES` or None.
            picture: values for `PICTURE_PARAMETERS`.

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
        self._reference: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Keep what to draw and not the window, which opens again with the next picture."""
        return {**self.__dict__, "_reference": None}

    def draw(self, q: NDArray[Any], v: NDArray[Any]) -> Any:
        """Draw one state.

        Args:
            q: positions, (nq).
            v: velocities, (nv).

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
        if self._reference is None:
            self._reference = self._open(self.mode, q, v)
        self._reference.set_state(q, v)
        return self._reference.render()

    def close(self) -> None:
        """Close windows and GL contexts; the next `draw` opens them again."""
        if self._reference is not None:
            self._reference.close()
            self._reference = None

    def _open(self, mode: str, q: NDArray[Any], v: NDArray[Any]) -> Any:
        # GLFW aborts the whole process if MuJoCo opens a window without a display.
        if mode == "human" and not _has_display():
            raise RenderError(
                "render_mode='human' opens a window, and there is no display. Use "
                "render_mode='rgb_array', or set DISPLAY."
            )
        if mode != "human":
            _find_gl()
        # Imports MuJoCo, which reads MUJOCO_GL.
        from learned_envs.systems.reference import make_reference

        made = make_reference(
            self._task, render_mode=mode, disable_env_checker=True, **self._picture
        )
        reference: Any = made.unwrapped
        reference.set_state(q, v)
        try:
            reference.render()
        except (RuntimeError, ImportError, AttributeError) as error:
            raise RenderError(
                f"MuJoCo cannot draw with MUJOCO_GL={os.environ.get('MUJOCO_GL')}: {error}. "
                "Install a software renderer with `apt install libegl1 libgl1-mesa-dri` and set "
                "MUJOCO_GL=egl."
            ) from error
        return reference


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
