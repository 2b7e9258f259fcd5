"""What MuJoCo knows of the shapes of a system, as `Geom`s."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

from learned_envs.systems.geom import MOST_VERTICES, Geom, Kind
from learned_envs.systems.hull import spread_vertices
from learned_envs.systems.vector import vector_of

SHAPES: dict[int, Kind] = {
    mujoco.mjtGeom.mjGEOM_PLANE: "plane",
    mujoco.mjtGeom.mjGEOM_SPHERE: "sphere",
    mujoco.mjtGeom.mjGEOM_CAPSULE: "capsule",
    mujoco.mjtGeom.mjGEOM_CYLINDER: "cylinder",
    mujoco.mjtGeom.mjGEOM_BOX: "box",
    mujoco.mjtGeom.mjGEOM_ELLIPSOID: "ellipsoid",
    mujoco.mjtGeom.mjGEOM_MESH: "mesh",
}


def geoms_of(model: mujoco.MjModel) -> tuple[Geom, ...]:
    """Describe all shapes of a model."""
    touching = _touching(model)
    return tuple(_geom(model, index, bool(touching[index])) for index in range(model.ngeom))


def disabled(model: mujoco.MjModel, *names: str) -> bool:
    """Return whether an option of the MJCF switches off one of these parts of the physics."""
    flags = [int(getattr(mujoco.mjtDisableBit, f"mjDSBL_{name}", 0)) for name in names]
    return any(model.opt.disableflags & flag for flag in flags)


def _touching(model: mujoco.MjModel) -> npt.NDArray[Any]:
    """Return for each geom whether it collides as `Geom.touches` says, (ngeom) bool."""
    if disabled(model, "CONTACT", "CONSTRAINT"):
        return np.zeros(model.ngeom, dtype=bool)
    body = model.geom_bodyid
    # MuJoCo never collides two shapes that are both fixed to the world.
    moving = model.body_weldid[body] != 0
    ground = (model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE) & (body == 0)
    meets = (model.geom_contype[:, None] & model.geom_conaffinity) != 0
    meets |= meets.T
    signature = (np.minimum.outer(body, body) << 16) + np.maximum.outer(body, body)
    meets &= ~np.isin(signature, model.exclude_signature)
    # Pairs that the MJCF lists collide whatever their masks say.
    meets[model.pair_geom1, model.pair_geom2] = meets[model.pair_geom2, model.pair_geom1] = True
    touching: npt.NDArray[Any] = np.where(moving, (meets & ground).any(1), (meets & moving).any(1))
    return touching


def _geom(model: mujoco.MjModel, index: int, touches: bool) -> Geom:
    kind: Kind
    kind, vertices, beyond = SHAPES.get(int(model.geom_type[index]), "other"), np.empty((0, 3)), 0.0
    paired = index in model.pair_geom1 or index in model.pair_geom2
    if kind == "mesh" and not (
        model.geom_contype[index] or model.geom_conaffinity[index] or paired
    ):
        # Most meshes are there to be looked at, and a card has no room for them.
        kind = "other"
    if kind == "mesh":
        mesh = model.geom_dataid[index]
        start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        vertices, beyond = spread_vertices(model.mesh_vert[start : start + count], MOST_VERTICES)
    return Geom(
        name=model.geom(index).name,
        kind=kind,
        body=int(model.geom_bodyid[index]),
        pos=vector_of(model.geom_pos[index]),
        quat=vector_of(model.geom_quat[index]),
        size=vector_of(model.geom_size[index]),
        touches=touches,
        vertices=tuple(map(vector_of, vertices)),
        beyond=beyond,
    )
