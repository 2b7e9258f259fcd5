"""The reference environments: what MuJoCo knows of them, as a `SystemSpec`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Literal

import gymnasium as gym
import mujoco
import numpy as np
import numpy.typing as npt

from learned_envs.errors import ParameterError
from learned_envs.registry import TaskEntry, load, task_entry, task_of
from learned_envs.systems.sensor import Sensor
from learned_envs.systems.spec import Body, Geom, Joint, SystemSpec, Vector

Array = npt.NDArray[Any]

JOINTS: dict[int, Literal["slide", "hinge", "free"]] = {
    mujoco.mjtJoint.mjJNT_SLIDE: "slide",
    mujoco.mjtJoint.mjJNT_HINGE: "hinge",
    mujoco.mjtJoint.mjJNT_FREE: "free",
}

SHAPES: dict[int, Literal["plane", "sphere", "capsule", "cylinder"]] = {
    mujoco.mjtGeom.mjGEOM_PLANE: "plane",
    mujoco.mjtGeom.mjGEOM_SPHERE: "sphere",
    mujoco.mjtGeom.mjGEOM_CAPSULE: "capsule",
    mujoco.mjtGeom.mjGEOM_CYLINDER: "cylinder",
}


@contextmanager
def deprecations_swallowed() -> Iterator[None]:
    """Drop the warnings about old MJCF that MuJoCo's C code gives for each model that it loads.

    Other warnings go to the handler that was there before, or to Python's warnings.
    """
    previous = mujoco.get_mju_user_warning()

    def handle(message: str) -> None:
        if "deprecated" not in message:
            (previous or warnings.warn)(message)

    mujoco.set_mju_user_warning(handle)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(previous)


def make_reference(task_name: str, **kwargs: Any) -> gym.Env[Any, Any]:
    """Make the Gymnasium environment that a task is modelled on.

    Args:
        task_name: the registered name of the task.
        **kwargs: go to `gym.make`.

    Raises:
        UnknownNameError: if there is no such task.
    """
    entry = task_entry(task_of(task_name))
    with deprecations_swallowed():
        return gym.make(entry.reference_id, **{**entry.kwargs, **kwargs})


def describe(env: gym.Env[Any, Any]) -> SystemSpec:
    """Return all that a model may know about the system of a Gymnasium MuJoCo environment.

    Raises:
        ParameterError: if the environment has no id or no MuJoCo model, or if its model has
            joints other than slides, hinges and free joints.
    """
    unwrapped: Any = env.unwrapped
    if env.spec is None or not isinstance(getattr(unwrapped, "model", None), mujoco.MjModel):
        raise ParameterError(
            f"Got {unwrapped}, expected a MuJoCo environment made by gym.make; "
            "make it by its id, such as gym.make('Hopper-v5')."
        )
    model = unwrapped.model
    return SystemSpec(
        reference_id=env.spec.id,
        timestep=float(model.opt.timestep),
        frame_skip=int(unwrapped.frame_skip),
        gravity=_vector(model.opt.gravity),
        q0=_vector(model.qpos0),
        control_low=_vector(model.actuator_ctrlrange[:, 0]),
        control_high=_vector(model.actuator_ctrlrange[:, 1]),
        bodies=tuple(_body(model, index) for index in range(model.nbody)),
        joints=tuple(_joint(model, index) for index in range(model.njnt)),
        geoms=tuple(_geom(model, index) for index in range(model.ngeom)),
    )


def spec_of(task_name: str) -> SystemSpec:
    """Return the spec of a task's system. The task's entry in the registry says what makes it.

    Raises:
        UnknownNameError: if there is no such task.
    """
    entry = task_entry(task_of(task_name))
    spec: SystemSpec = load(entry.spec)(entry)
    return spec


def describe_reference(entry: TaskEntry) -> SystemSpec:
    """Make the real environment of a task, and describe its system.

    See [`describe`][learned_envs.systems.reference.describe].
    """
    with closing(make_reference(entry.name)) as env:
        return describe(env)


def columns_of(data: Any, spec: SystemSpec, sensors: Sequence[Sensor]) -> dict[str, Array]:
    """Copy from MuJoCo's data what is recorded of a state beside qpos, qvel and observation.

    Args:
        data: an `MjData`.
        spec: names the leaves of the state.
        sensors: the task's; those that are not observed are read.

    Returns:
        (n) float64 each, by name.
    """
    leaves = {name: np.array(getattr(data, name), dtype=np.float64) for name, _ in spec.leaves}
    hidden = {
        sensor.name: np.array(np.ravel(getattr(data, sensor.array)))[sensor.slice]
        for sensor in sensors
        if sensor.place is None
    }
    return {**leaves, **hidden}


def replay(env: gym.Env[Any, Any], qpos: Array, qvel: Array, actions: Array) -> tuple[Array, Array]:
    """Step real MuJoCo from a state by given actions, whatever the task's rules say.

    Args:
        env: a reference environment.
        qpos: (nq) float64, where to start.
        qvel: (nv) float64.
        actions: (time, nu).

    Returns:
        The positions (time + 1, nq) and velocities (time + 1, nv).
    """
    unwrapped: Any = env.unwrapped
    mujoco.mj_resetData(unwrapped.model, unwrapped.data)
    unwrapped.set_state(qpos, qvel)
    positions, velocities = [qpos], [qvel]
    for action in actions:
        unwrapped.do_simulation(action, unwrapped.frame_skip)
        positions.append(unwrapped.data.qpos.copy())
        velocities.append(unwrapped.data.qvel.copy())
    return np.array(positions), np.array(velocities)


def _body(model: mujoco.MjModel, index: int) -> Body:
    return Body(
        name=model.body(index).name,
        parent=int(model.body_parentid[index]),
        pos=_vector(model.body_pos[index]),
        quat=_vector(model.body_quat[index]),
        mass=float(model.body_mass[index]),
        inertia=_vector(model.body_inertia[index]),
        inertial_pos=_vector(model.body_ipos[index]),
        inertial_quat=_vector(model.body_iquat[index]),
    )


def _joint(model: mujoco.MjModel, index: int) -> Joint:
    name, kind = model.joint(index).name, int(model.jnt_type[index])
    if kind not in JOINTS:
        raise ParameterError(
            f"Joint {name!r} is a {mujoco.mjtJoint(kind).name}, expected one of "
            f"{', '.join(JOINTS.values())}; write a ball joint as three hinges in the MJCF."
        )
    return Joint(
        name=name,
        kind=JOINTS[kind],
        body=int(model.jnt_bodyid[index]),
        q=int(model.jnt_qposadr[index]),
        v=int(model.jnt_dofadr[index]),
        axis=_vector(model.jnt_axis[index]),
        pos=_vector(model.jnt_pos[index]),
        limits=_vector(model.jnt_range[index]) if model.jnt_limited[index] else None,
        armature=float(model.dof_armature[model.jnt_dofadr[index]]),
        stiffness=float(np.ravel(model.jnt_stiffness[index])[0]),
        spring_rest=float(model.qpos_spring[model.jnt_qposadr[index]]),
    )


def _geom(model: mujoco.MjModel, index: int) -> Geom:
    # MuJoCo never collides two shapes that are both fixed to the world.
    moving = model.body_weldid[model.geom_bodyid] != 0
    ground = (model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE) & (model.geom_bodyid == 0)
    partners = ground if moving[index] else moving
    compatible = (model.geom_contype[index] & model.geom_conaffinity) | (
        model.geom_conaffinity[index] & model.geom_contype
    )
    return Geom(
        name=model.geom(index).name,
        kind=SHAPES.get(int(model.geom_type[index]), "other"),
        body=int(model.geom_bodyid[index]),
        pos=_vector(model.geom_pos[index]),
        quat=_vector(model.geom_quat[index]),
        size=_vector(model.geom_size[index]),
        touches=bool((partners & (compatible != 0)).any()),
    )


def _vector(values: np.ndarray[Any, Any]) -> Vector:
    return tuple(values.tolist())
