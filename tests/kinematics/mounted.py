"""A small system with everything that can be mounted on bodies, and how MuJoCo sees it."""

import re
from collections.abc import Iterable

import mujoco
import numpy as np
import torch
from mechanisms import states

from learned_envs.kinematics.derived import Derived
from learned_envs.systems.describe_equipment import describe_equipment
from learned_envs.systems.spec import SystemSpec

BODIES = """
<worldbody>
  <site name="wall" pos=".1 .2 1.5"/>
  <body name="arm" pos="0 0 1" quat=".9 .1 .2 .3">
    <joint name="bend" axis="0 1 0" pos=".1 0 .2" actuatorfrcrange="-1 1"/>
    <joint name="slide" type="slide" axis="1 .2 0"/>
    <geom size=".1 .2" type="capsule"/>
    <site name="a" pos=".1 .1 .1" quat=".5 .5 .2 .1"/>
    <body name="hand" pos="0 .1 .4" quat=".9 0 .2 .3">
      <joint name="wrist" axis="1 1 0" pos=".1 0 .2" ref="20"/>
      <geom name="palm" pos=".1 .2 .1" quat=".9 .2 .1 .1" size=".1 .2" type="capsule"/>
      <site name="b" pos=".1 -.1 .1" quat=".5 .1 .2 .1"/>
      <body name="nail" pos="0 0 .1" quat=".9 0 .2 0"><geom size=".02" pos=".1 0 0"/></body>
      <body name="finger" pos="0 .1 .4">
        <joint name="knuckle" axis="0 1 1" pos="0 0 .2"/>
        <geom name="tip" size=".1"/>
        <site name="c" pos=".1 .1 .2"/>
      </body>
    </body>
  </body>
  <body name="drone" pos="2 0 1">
    <freejoint name="free"/>
    <geom size=".1 .2 .3" type="box" mass="2"/>
    <site name="d" pos=".1 0 .1" quat=".8 .1 .2 .1"/>
    <body name="rotor"><joint axis="0 0 1" pos=".1 0 0"/><geom size=".1"/></body>
  </body>
  <body name="target" pos="1 2 3" quat=".8 .1 .2 .3" mocap="true">
    <geom size=".1" contype="0" conaffinity="0"/>
    <site name="t" pos=".1 .2 .3"/>
    <body pos=".1 0 0" quat=".5 .1 .2 .3"><geom size=".1" contype="0" conaffinity="0"/></body>
  </body>
  <body name="door" pos="3 0 1">
    <joint name="hinge" axis="0 0 1"/><geom size=".1 .2 .3" type="box" mass="2"/>
  </body>
</worldbody>
"""

TENDONS = """
<tendon>
  <fixed name="sum"><joint joint="wrist" coef=".5"/><joint joint="slide" coef="-2"/></fixed>
  <spatial name="path"><site site="wall"/><site site="a"/><site site="b"/></spatial>
  <spatial name="pulleys">
    <site site="wall"/><site site="a"/>
    <pulley divisor="2"/><site site="a"/><site site="c"/>
    <pulley divisor="3"/><site site="b"/><site site="d"/>
  </spatial>
  <fixed name="limited" actuatorfrclimited="true" actuatorfrcrange="-1 2">
    <joint joint="hinge" coef="1.5"/>
  </fixed>
</tendon>
"""

ACTUATORS = """
<actuator>
  <motor joint="bend" gear="3" ctrllimited="true" ctrlrange="-1 1"/>
  <position joint="slide" kp="5" forcelimited="true" forcerange="-4 4"/>
  <velocity joint="wrist" kv="2"/>
  <motor tendon="sum" gear="2"/>
  <position name="pull" tendon="path" kp="3"/>
  <general tendon="pulleys" gear="-1" gaintype="affine" gainprm="1 2 3" biastype="affine"
    biasprm="-1 -2 -3"/>
  <motor site="b" gear="1 2 3 4 5 6"/>
  <motor site="d" gear="0 0 3 0 0 .1"/>
  <general site="c" refsite="a" gear="1 2 3 0 0 0" biastype="affine" biasprm="1 2 3"/>
  <general site="d" refsite="a" gear="1 2 3 0 0 0" gainprm="2"/>
  <motor tendon="limited" gear="2"/>
  <motor tendon="limited"/>
  <general joint="free" gear="1 2 3 4 5 6"/>
  <muscle joint="knuckle" lengthrange="-2 2"/>
  <muscle tendon="path" force="5" lengthrange=".3 3" range=".5 1.5"/>
  <general joint="wrist" dyntype="integrator" actlimited="true" actrange="-.5 .8"/>
  <general joint="knuckle" dyntype="filter" dynprm=".03" actearly="true"/>
  <general joint="knuckle" dyntype="filterexact" dynprm=".03" actearly="true" ctrllimited="true"
    ctrlrange="-.3 .3"/>
  <general jointinparent="hinge" gear="2"/>
</actuator>
"""


SENSORS = """
<sensor>
  <framequat objtype="body" objname="nail" reftype="site" refname="a"/>
  <framelinvel objtype="geom" objname="palm" reftype="xbody" refname="drone"/>
  <subtreeangmom body="arm"/>
  <gyro site="b" cutoff=".3"/>
  <actuatorfrc actuator="pull"/>
</sensor>
"""


TENDON_FORCE = "mjSENS_TENDONACTFRC"
"""A kind of sensor that older versions of MuJoCo do not have."""


def sensors() -> str:
    """Return every kind of sensor that is computed, of frames of every kind."""
    kinds = ("framepos", "framequat", "framexaxis", "frameyaxis", "framezaxis")
    frames = {"xbody": "hand", "body": "nail", "geom": "palm", "site": "d"}
    lines = []
    for kind in (*kinds, "framelinvel", "frameangvel"):
        for object_kind, name in (*frames.items(), ("site", "wall"), ("site", "t")):
            lines.append(f'<{kind} objtype="{object_kind}" objname="{name}"')
            lines.append("/>")
            for other_kind, other in (("site", "a"), ("xbody", "drone")):
                start = f'<{kind} objtype="{object_kind}" objname="{name}" '
                lines.append(f'{start} reftype="{other_kind}" refname="{other}"/>')
    for site in ("b", "d"):
        lines += [f'<{kind} site="{site}"/>' for kind in ("gyro", "velocimeter", "magnetometer")]
    for body in ("arm", "hand", "finger", "drone"):
        subtrees = ("subtreecom", "subtreelinvel", "subtreeangmom")
        lines += [f'<{kind} body="{body}"/>' for kind in subtrees]
    lines += [f'<{kind} joint="wrist"/>' for kind in ("jointpos", "jointvel")]
    lines += [f'<{kind} tendon="pulleys"/>' for kind in ("tendonpos", "tendonvel")]
    lines += [f'<{kind} actuator="pull"/>' for kind in ("actuatorpos", "actuatorvel")]
    return f"""
    <sensor>
      <gyro name="clipped" site="b" cutoff=".3"/>
      {"".join(lines)}
      <actuatorfrc actuator="pull" cutoff="2"/>
      <jointactuatorfrc name="torque" joint="bend"/>
      {'<tendonactuatorfrc tendon="limited"/>' if hasattr(mujoco.mjtSensor, TENDON_FORCE) else ""}
    </sensor>
    """


def system(*parts: str, option: str = "") -> mujoco.MjModel:
    """Compile the bodies with some parts mounted on them."""
    return mujoco.MjModel.from_xml_string(f"<mujoco>{option}{BODIES}{''.join(parts)}</mujoco>")


def everything(option: str = "") -> mujoco.MjModel:
    return system(tendons(), ACTUATORS, sensors(), option=option)


def tendons() -> str:
    """Return the tendons, without what older versions of MuJoCo do not know."""
    try:
        system(TENDONS)
    except ValueError:
        return re.sub('actuatorfrc[a-z]*="[^"]*"', "", TENDONS)
    return TENDONS


def array(data: mujoco.MjData, name: str) -> np.ndarray:
    if not name.startswith("sensor."):
        return getattr(data, name)
    name = name.removeprefix("sensor.")
    return data.sensor(int(name) if name.isdigit() else name).data


def differences(
    model: mujoco.MjModel, spec: SystemSpec, names: Iterable[str], count: int = 10
) -> dict[str, float]:
    """Return how far each array is at most from MuJoCo's after mj_forward, at random states."""
    names = list(names)
    derived = Derived(spec, describe_equipment(model).needed_for(names), names)
    q, v = states(model, count)
    random = np.random.default_rng(1)
    ctrl = torch.tensor(random.normal(size=(count, model.nu)))
    act = torch.tensor(random.uniform(size=(count, model.na)))
    ours = derived(q, v, ctrl, act)
    data = mujoco.MjData(model)
    found = dict.fromkeys(names, 0.0)
    for index in range(count):
        data.qpos[:], data.qvel[:] = q[index], v[index]
        data.ctrl[:], data.act[:] = ctrl[index], act[index]
        mujoco.mj_forward(model, data)
        for name in names:
            theirs = array(data, name)
            assert ours[name].shape == (count, *theirs.shape)
            gap = np.abs(ours[name][index].numpy() - theirs)
            found[name] = max(found[name], float(gap.max(initial=0.0)))
    return found
