"""Write recordings as robots give them, of real MuJoCo, in every format that is read.

    python benchmarks/robot_logs.py arm --out recordings --formats csv parquet mcap
    python benchmarks/robot_logs.py cart quadruped --episodes 20

Rows are 20 ms apart, up to 3 ms sooner or later. Commands have their effect two rows later. Joint
positions have noise of a thousandth, and velocities are not recorded. Two pauses cut the second
episode. The clean states of the same episodes lie beside, as `clean.npz`, for comparison.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import gymnasium as gym
import mujoco
import numpy as np
import tyro
from log_files import FORMATS, Array, Log
from tyro.conf import Positional

from learned_envs.systems.reference import deprecations_swallowed

Name = Literal["arm", "cart", "quadruped"]

STEP, JITTER, DELAY, NOISE = 0.02, 0.003, 2, 1e-3

ARM = """
<mujoco model="arm">
  <compiler angle="radian"/>
  <option timestep="0.001" integrator="implicitfast"/>
  <worldbody>
    <body name="upper" pos="0 0 1">
      <joint name="shoulder" axis="0 1 0" damping="0.05"{friction}/>
      <geom type="capsule" fromto="0 0 0 0 0 -0.4" size="0.03" mass="1"/>
      <body name="lower" pos="0 0 -0.4">
        <joint name="elbow" axis="0 1 0" damping="0.05"{friction}/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.025" mass="0.6"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor name="shoulder" joint="shoulder" ctrlrange="-4 4" ctrllimited="true"/>
    <motor name="elbow" joint="elbow" ctrlrange="-2 2" ctrllimited="true"/>
  </actuator>
</mujoco>
"""
"""A two-joint arm. The real one has dry friction in its joints, which its MJCF does not say."""

CLEAN = ("clean q", "clean v", "clean gyro", "clean up")

FRICTION = ' frictionloss="0.3"'


def model_of(robot: Name, real: bool = True) -> mujoco.MjModel:
    """Load the physics of a robot; the arm's own MJCF lacks what the real one has."""
    if robot == "arm":
        return mujoco.MjModel.from_xml_string(ARM.format(friction=FRICTION if real else ""))
    if robot == "cart":
        with deprecations_swallowed():
            env = gym.make("InvertedDoublePendulum-v5")
        model: mujoco.MjModel = env.unwrapped.model  # type: ignore[attr-defined]
        model.opt.timestep = 0.001
        return model
    here = Path(__file__).parent.parent
    model = mujoco.MjModel.from_xml_path(str(here / "examples/unitree_go1/go1.xml"))
    model.opt.timestep = 0.001
    return model


def recorded(robot: Name, seed: int, rows: int) -> Log:
    """Act in a robot by smooth random commands, and return what its owner would record."""
    model, rng = model_of(robot), np.random.default_rng(seed)
    data = mujoco.MjData(model)
    if model.nkey:
        mujoco.mj_resetDataKeyframe(model, data, 0)
    lines = [i for i in range(model.njnt) if model.jnt_type[i] != mujoco.mjtJoint.mjJNT_FREE]
    places, speeds = model.jnt_qposadr[lines], model.jnt_dofadr[lines]
    data.qpos[places] += rng.normal(0.0, 0.1, len(lines))
    low, high = model.actuator_ctrlrange.T
    middle = data.ctrl.copy() if robot == "quadruped" else 0.5 * (low + high)
    reach = 0.4 if robot == "quadruped" else 0.5 * (high - low)
    told = np.repeat(middle[None], DELAY, 0).tolist()
    times = np.arange(rows) * STEP + rng.uniform(-JITTER, JITTER, rows) * (np.arange(rows) > 0)
    ticks = np.round(times / model.opt.timestep).astype(int)
    wish = np.zeros(model.nu)
    found: dict[str, list[Array]] = {name: [] for name in ("q", "u", "imu", *CLEAN)}
    nominal, tick = 0, 0
    for row in range(rows):
        while tick < ticks[row]:
            if tick == nominal:
                found["clean q"].append(data.qpos[places].copy())
                found["clean v"].append(data.qvel[speeds].copy())
                if robot == "quadruped":
                    gyro, up = _imu(data)
                    found["clean gyro"].append(gyro)
                    found["clean up"].append(up)
                nominal += round(STEP / model.opt.timestep)
            mujoco.mj_step(model, data)
            tick += 1
        wish = 0.85 * wish + 0.5 * rng.normal(size=model.nu)
        command = np.clip(middle + reach * np.tanh(wish), low, high)
        told.append(command)
        data.ctrl[:] = told.pop(0)
        found["q"].append(data.qpos[places] + rng.normal(0.0, NOISE, len(places)))
        found["u"].append(command)
        if robot == "quadruped":
            found["imu"].append(np.concatenate(_imu(data)) + rng.normal(0.0, NOISE, 6))
    q, u = np.array(found["q"]), np.array(found["u"])
    imu = np.array(found["imu"]).reshape(rows, -1)
    names = [model.joint(i).name for i in lines]
    axes = [f"{what}_{axis}" for what in ("gyro", "up") for axis in "xyz"][: imu.shape[1]]
    actuators = [model.actuator(i).name or f"{i}" for i in range(model.nu)]
    log = Log(
        np.round(ticks * model.opt.timestep, 9),
        {f"q_{name}": q[:, i] for i, name in enumerate(names)},
        {f"cmd_{name}": u[:, i] for i, name in enumerate(actuators)},
        {name: imu[:, i] for i, name in enumerate(axes)},
        {"u": u, **{name.removeprefix("clean "): np.array(found[name]) for name in CLEAN}},
    )
    if seed == 1:
        gaps = [np.arange(rows // 3, rows // 3 + 15), np.arange(2 * rows // 3, 2 * rows // 3 + 30)]
        log = log.without(np.concatenate(gaps))
    return log


def _imu(data: mujoco.MjData) -> tuple[Array, Array]:
    """Return what an IMU measures: angular velocity, and which way is up, in the body's frame."""
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, data.qpos[3:7])
    return data.qvel[3:6].copy(), rotation.reshape(3, 3)[2].copy()


def main(
    robots: Positional[tuple[Name, ...]],
    out: Annotated[Path, tyro.conf.arg(metavar="PATH")] = Path("recordings"),
    formats: tuple[str, ...] = ("csv",),
    episodes: int = 20,
    rows: int = 1000,
) -> None:
    """Write recordings.

    Args:
        robots: whose.
        out: the folder that gets a folder for each robot and format.
        formats: names of FORMATS.
        episodes: how many, a file each.
        rows: of each.
    """
    for robot in robots:
        logs = [recorded(robot, seed, rows) for seed in range(episodes)]
        for name in formats:
            folder = out / robot / name
            folder.mkdir(parents=True, exist_ok=True)
            for index, log in enumerate(logs):
                FORMATS[name](log, folder / f"episode-{index:03d}")
        clean = {f"{index}.{n}": x for index, log in enumerate(logs) for n, x in log.clean.items()}
        np.savez(out / robot / "clean.npz", **clean)  # type: ignore[arg-type]
        about = {"dt": STEP, "delay": DELAY, "noise": NOISE, "episodes": episodes}
        (out / robot / "about.json").write_text(json.dumps(about))


if __name__ == "__main__":
    tyro.cli(main)
