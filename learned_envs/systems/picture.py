"""What a picture of a system needs: its MJCF, and nothing of its environment's code."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.envs.mujoco.mujoco_env import DEFAULT_SIZE
from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer

from learned_envs.systems.adapter import Adapter
from learned_envs.systems.locate import locate
from learned_envs.systems.reference import make_reference
from learned_envs.systems.slot import ENV, Slot
from learned_envs.systems.spec import Leaf

Array = np.ndarray[Any, Any]

CAMERA = "learned_envs_camera"
"""Name of the custom text of an MJCF that says where Gymnasium's free camera is."""

CAMERA_ID = "learned_envs_camera_id"
"""Name of the custom number of an MJCF that says which of its cameras is looked through."""

LONGEST = 200_000
"""Letters of an MJCF that is kept."""


def self_contained_mjcf(env: gym.Env[Any, Any]) -> str | None:
    """Return the MJCF of a real environment, if it needs no other file.

    The camera that the environment looks through goes along, if it is one of Gymnasium's.

    Args:
        env: made just now: MuJoCo can say what it loaded last.

    Returns:
        The text; None if it needs meshes or pictures from files, or is too long.
    """
    model = locate(env)[0]
    renderer = getattr(env.unwrapped, "mujoco_renderer", env.unwrapped)
    free = getattr(renderer, "default_cam_config", None)
    index = getattr(renderer, "camera_id", None)
    for text in _texts(env.unwrapped, model):
        try:
            spec = mujoco.MjSpec.from_string(text)
            alone = spec.compile()
        except (ValueError, RuntimeError):
            continue
        if not _same(alone, model):
            continue
        text = spec.to_xml()
        # Older versions of MuJoCo lose the data of a text that a spec is given.
        own = ""
        if free is not None:
            own += f'<text name="{CAMERA}" data={quoteattr(json.dumps(_plain(free)))}/>'
        if index is not None:
            own += f'<numeric name="{CAMERA_ID}" data="{index}"/>'
        if own:
            text = text.replace("</mujoco>", f"<custom>{own}</custom></mujoco>")
        return text if len(text) <= LONGEST else None
    return None


class Drawing:
    """Draws states of a system from its MJCF alone.

    Attributes:
        model: MuJoCo's.
        data: MuJoCo's.
    """

    def __init__(
        self, mjcf: str, leaves: Sequence[Leaf], mode: str, picture: Mapping[str, Any]
    ) -> None:
        """Compile the MJCF.

        Args:
            mjcf: from `self_contained_mjcf`.
            leaves: of the system's state. Those that MuJoCo's own arrays hold are drawn.
            mode: what pictures are returned as; see Gymnasium's `MujocoRenderer`.
            picture: what that takes beside.
        """
        self.model = mujoco.MjModel.from_xml_string(mjcf)
        self.data = mujoco.MjData(self.model)
        self._slots = [Slot.of(leaf) for leaf in leaves if not leaf.name.startswith(ENV)]
        self._mode = mode
        words: dict[str, Any] = {"width": DEFAULT_SIZE, "height": DEFAULT_SIZE, **picture}
        words.pop("default_camera_config", None)
        free = picture.get("default_camera_config") or _free_camera(self.model)
        if words.get("camera_id") is None and words.get("camera_name") is None:
            words["camera_id"] = _camera_id(self.model)
        self._renderer: Any = MujocoRenderer(self.model, self.data, free, **words)

    @property
    def unwrapped(self) -> Drawing:
        """Itself, for those that look below wrappers."""
        return self

    def set_state(self, q: Array, v: Array, leaves: Mapping[str, Array] | None = None) -> None:
        """Move the system; see `Adapter.set_state`."""
        for slot in self._slots:
            if leaves is not None and slot.name in leaves:
                slot.set(self, leaves[slot.name])  # type: ignore[arg-type]
        self.data.qpos[:], self.data.qvel[:] = q, v
        mujoco.mj_forward(self.model, self.data)

    def render(self) -> Any:
        """Draw."""
        return self._renderer.render(self._mode)

    def close(self) -> None:
        """Let go of what draws."""
        self._renderer.close()


class RealDrawing:
    """Draws states of a system as its real environment does."""

    def __init__(
        self, task: str, leaves: Sequence[Leaf], mode: str, picture: Mapping[str, Any]
    ) -> None:
        """Make the environment.

        Args:
            task: the registered name of the task.
            leaves: of the system's state.
            mode: the environment's `render_mode`.
            picture: further parameters of the environment.
        """
        made = make_reference(task, render_mode=mode, disable_env_checker=True, **picture)
        self._real = Adapter(made, leaves)
        # Some renderers draw nothing before an episode.
        self._real.base.reset(seed=0)

    @property
    def model(self) -> mujoco.MjModel:
        """MuJoCo's."""
        return self._real.model

    def set_state(self, q: Array, v: Array, leaves: Mapping[str, Array] | None = None) -> None:
        """Move the system; see `Adapter.set_state`."""
        self._real.set_state(q, v, leaves)

    def render(self) -> Any:
        """Draw."""
        return self._real.base.render()

    def close(self) -> None:
        """Close the environment."""
        self._real.env.close()


def _texts(base: Any, model: mujoco.MjModel) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.xml"
        try:
            mujoco.mj_saveLastXML(str(path), model)
            yield path.read_text(encoding="utf-8")
        except (mujoco.FatalError, ValueError, OSError):
            pass
    for name in ("fullpath", "model_path", "xml_file"):
        file = getattr(base, name, None)
        if isinstance(file, str | Path) and Path(file).is_file():
            try:
                spec = mujoco.MjSpec.from_file(str(file))
                # Older versions of MuJoCo write nothing that was not compiled.
                spec.compile()
                yield spec.to_xml()
            except (ValueError, mujoco.FatalError):
                continue


def _same(one: mujoco.MjModel, other: mujoco.MjModel) -> bool:
    """Whether two models have the same things in them. Where they lie, resets may have drawn."""
    shapes = ("nq", "nv", "nbody", "ngeom", "nmocap")
    return (
        all(getattr(one, name) == getattr(other, name) for name in shapes)
        and one.names == other.names
        and np.array_equal(one.geom_type, other.geom_type)
        and np.allclose(one.geom_rbound, other.geom_rbound, rtol=1e-4, atol=1e-6)
    )


def _plain(camera: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(value).tolist() for name, value in camera.items()}


def _free_camera(model: mujoco.MjModel) -> dict[str, Any] | None:
    index = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_TEXT, CAMERA)
    if index < 0:
        return None
    start, size = model.text_adr[index], model.text_size[index]
    kept: dict[str, Any] = json.loads(bytes(model.text_data[start : start + size - 1]))
    return {name: np.array(x) if isinstance(x, list) else x for name, x in kept.items()}


def _camera_id(model: mujoco.MjModel) -> int | None:
    index = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_NUMERIC, CAMERA_ID)
    return None if index < 0 else int(model.numeric_data[model.numeric_adr[index]])
