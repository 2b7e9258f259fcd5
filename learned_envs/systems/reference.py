"""The reference environments: what MuJoCo knows of them, as a `SystemSpec`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Literal

import gymnasium as gym
import mujoco
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box

from learned_envs.entry_point import load
from learned_envs.errors import (
    ArgumentTypeError,
    LearnedEnvsError,
    ParameterError,
    SystemSpecError,
)
from learned_envs.registry import task_entry, task_of
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.describe_geoms import disabled, geoms_of
from learned_envs.systems.flat import flattened
from learned_envs.systems.locate import locate
from learned_envs.systems.shapes import met_joints
from learned_envs.systems.spec import Body, Joint, Leaf, SystemSpec
from learned_envs.systems.symmetry import held_joints
from learned_envs.systems.vector import vector_of
from learned_envs.task_entry import TaskEntry

Array = npt.NDArray[Any]

UNLIMITED = 1000
"""Steps of an episode if its environment sets no limit."""

JOINTS: dict[int, Literal["slide", "hinge", "free"]] = {
    mujoco.mjtJoint.mjJNT_SLIDE: "slide",
    mujoco.mjtJoint.mjJNT_HINGE: "hinge",
    mujoco.mjtJoint.mjJNT_FREE: "free",
}


@contextmanager
def warnings_swallowed(word: str) -> Iterator[None]:
    """Drop the warnings of MuJoCo's C code that hold a word.

    Other warnings go to the handler that was there before, or to Python's warnings.
    """
    previous = mujoco.get_mju_user_warning()

    def handle(message: str) -> None:
        if word not in message:
            (previous or warnings.warn)(message)

    mujoco.set_mju_user_warning(handle)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(previous)


def deprecations_swallowed() -> AbstractContextManager[None]:
    """Drop the warnings about old MJCF that MuJoCo's C code gives for each model that it loads."""
    return warnings_swallowed("deprecated")


def make_reference(task_name: str, **kwargs: Any) -> gym.Env[Any, Any]:
    """Make the Gymnasium environment that a task is modelled on.

    Observations and actions of other shapes are laid out flat.

    Args:
        task_name: the registered name of the task.
        **kwargs: go to `gym.make`.

    Raises:
        UnknownNameError: if there is no such task.
        ParameterError: if the environment's own code fails when it is made.
        gymnasium.error.Error: what else Gymnasium refuses.
    """
    entry = task_entry(task_of(task_name))
    given = {**entry.kwargs, **kwargs}
    try:
        with deprecations_swallowed():
            return flattened(gym.make(entry.reference_id, **given))
    except (LearnedEnvsError, gym.error.Error, mujoco.FatalError):
        raise
    except Exception as error:
        told = "".join(f", {name}={value!r}" for name, value in given.items())
        kind = ArgumentTypeError if isinstance(error, TypeError) else ParameterError
        raise kind(
            f"gym.make({entry.reference_id!r}{told}) fails: {type(error).__name__}: {error}. Mend "
            "the environment, or make it with other arguments."
        ) from error


def registered(task_name: str) -> gym.envs.registration.EnvSpec:
    """Return what Gymnasium knows of the real environment of a task.

    Raises:
        UnknownNameError: if there is no such task.
    """
    return gym.spec(task_entry(task_of(task_name)).reference_id.rpartition(":")[2])


def describe(env: gym.Env[Any, Any]) -> SystemSpec:
    """Return all that a model may know about the system of a Gymnasium MuJoCo environment.

    The range of the control is the environment's own action space, below all wrappers. One that has
    no `frame_skip` is reset and stepped, to see how long its step takes.

    Raises:
        ParameterError: if the environment has no id or no MuJoCo model.
        SystemSpecError: if its model has joints other than slides, hinges and free joints, its
            actions are not a row of bounded numbers, or its reset or step fails.
    """
    unwrapped: Any = env.unwrapped
    model = getattr(unwrapped, "model", None)
    if env.spec is None:
        raise ParameterError(
            f"Got {unwrapped}, expected a MuJoCo environment made by gym.make; "
            "make it by its id, such as gym.make('Hopper-v5')."
        )
    if not isinstance(model, mujoco.MjModel):
        model = locate(env)[0]
    low, high = _control_range(unwrapped, model, env.spec.id)
    frame_skip = getattr(unwrapped, "frame_skip", None)
    if not isinstance(frame_skip, int | np.integer) or frame_skip < 1:
        frame_skip = Adapter(env).solver_steps
    held, met = held_joints(model), met_joints(model)
    return SystemSpec(
        reference_id=env.spec.id,
        timestep=float(model.opt.timestep),
        frame_skip=int(frame_skip),
        gravity=vector_of(np.zeros(3) if disabled(model, "GRAVITY") else model.opt.gravity),
        q0=vector_of(model.qpos0),
        control_low=vector_of(low),
        control_high=vector_of(high),
        bodies=tuple(_body(model, index) for index in range(model.nbody)),
        joints=tuple(
            _joint(model, index, index in held, index in met) for index in range(model.njnt)
        ),
        geoms=geoms_of(model),
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


def replay(
    env: gym.Env[Any, Any],
    qpos: Array,
    qvel: Array,
    actions: Array,
    leaves: Mapping[Leaf, Array] | None = None,
) -> tuple[Array, Array]:
    """Step the real environment from a state by given actions, whatever the task's rules say.

    Args:
        env: a reference environment.
        qpos: (nq) float64, where to start.
        qvel: (nv) float64.
        actions: (time, nu).
        leaves: the numbers of the state's leaves there, if it has any.

    Returns:
        The positions (time + 1, nq) and velocities (time + 1, nv).
    """
    given = leaves or {}
    real = Adapter(env, tuple(given))
    mujoco.mj_resetData(real.model, real.data)
    real.set_state(qpos, qvel, {leaf.name: value for leaf, value in given.items()})
    positions, velocities = [qpos], [qvel]
    for action in actions:
        real.step(action)
        positions.append(real.data.qpos.copy())
        velocities.append(real.data.qvel.copy())
    return np.array(positions), np.array(velocities)


def _control_range(base: Any, model: mujoco.MjModel, name: str) -> tuple[Array, Array]:
    """Return the ends of an environment's action space, (nu,) each, whatever its shape."""
    space = base.action_space
    if not isinstance(space, Box):
        raise SystemSpecError(
            f"{name} takes actions of {space}, expected a Box of numbers. Let the environment take "
            "numbers, and wrap it if agents shall act by others."
        )
    ends = space.low.ravel(), space.high.ravel()
    for index, (low, high) in enumerate(zip(*ends, strict=True)):
        if not (np.isfinite([low, high]).all() and low < high):
            what = f"action[{index}]"
            if space.shape == (model.nu,):
                what = f"its actuator {model.actuator(index).name or index!r}"
            raise SystemSpecError(
                f"{name} takes actions from {low:g} to {high:g} for {what}, expected a finite "
                "range. Give the actuator a ctrlrange with ctrllimited, or set action_space in the "
                "environment."
            )
    return ends


def _body(model: mujoco.MjModel, index: int) -> Body:
    return Body(
        name=model.body(index).name,
        parent=int(model.body_parentid[index]),
        pos=vector_of(model.body_pos[index]),
        quat=vector_of(model.body_quat[index]),
        mass=float(model.body_mass[index]),
        inertia=vector_of(model.body_inertia[index]),
        inertial_pos=vector_of(model.body_ipos[index]),
        inertial_quat=vector_of(model.body_iquat[index]),
    )


def _joint(model: mujoco.MjModel, index: int, held: bool, met: bool) -> Joint:
    unlimited = disabled(model, "LIMIT", "CONSTRAINT") or not model.jnt_limited[index]
    # Older versions of MuJoCo disable springs together with all other passive forces.
    slack = disabled(model, "SPRING", "PASSIVE")
    name, kind = model.joint(index).name, int(model.jnt_type[index])
    if kind not in JOINTS:
        raise SystemSpecError(
            f"Joint {name!r} is a {mujoco.mjtJoint(kind).name}, expected one of "
            f"{', '.join(JOINTS.values())}; write a ball joint as three hinges in the MJCF."
        )
    return Joint(
        name=name,
        kind=JOINTS[kind],
        body=int(model.jnt_bodyid[index]),
        q=int(model.jnt_qposadr[index]),
        v=int(model.jnt_dofadr[index]),
        axis=vector_of(model.jnt_axis[index]),
        pos=vector_of(model.jnt_pos[index]),
        limits=None if unlimited else vector_of(model.jnt_range[index]),
        armature=float(model.dof_armature[model.jnt_dofadr[index]]),
        stiffness=0.0 if slack else float(np.ravel(model.jnt_stiffness[index])[0]),
        spring_rest=float(model.qpos_spring[model.jnt_qposadr[index]]),
        held=held,
        met=met,
    )
