from collections.abc import Sequence
from itertools import product

import mujoco
import numpy as np
import pytest
import torch
from mechanisms import ROUNDING, SHAPES_XML, forward, load, spec_of, states

from learned_envs.kinematics import Kinematics
from learned_envs.kinematics.contact import SpatialContacts

WHEEL_XML = """
<mujoco>
  <worldbody>
    <geom type="plane" size="9 9 1"/>
    <body pos="0 0 1">
      <joint type="slide" axis="1 0 0"/>
      <joint type="slide" axis="0 0 1"/>
      <joint type="hinge" axis="0 -1 0"/>
      {geom}
      <body pos=".3 0 0"><joint type="hinge" axis="{axis}"/><geom size=".1" pos="0 0 .3"/></body>
    </body>
  </worldbody>
</mujoco>
"""


UP = (0.0, 0.0, 1.0)

ROOM = """
    <geom name="wall" type="plane" size="9 9 1" pos="2 0 0" zaxis="-1 0 0"/>
    <geom name="slope" type="plane" size="9 9 1" pos="-1 .3 -.2" zaxis="1 .5 2"/>
    <geom name="painted" type="plane" size="9 9 1" zaxis="1 0 0" contype="0" conaffinity="0"/>
    <body mocap="true" pos="0 0 -9"><geom name="lid" type="plane" size="1 1 1"/></body>
"""
"""Two planes beside the floor, one that nothing touches, and one that a mocap body moves."""


def mujoco_points(
    model: mujoco.MjModel, data: mujoco.MjData, up: Sequence[float] = UP
) -> list[tuple[int, np.ndarray]]:
    """List (body, lowest point) of each end of each moving shape, from MuJoCo's own poses."""
    found = []
    down = -np.array(up)
    for geom in range(model.ngeom):
        body, kind = model.geom_bodyid[geom], model.geom_type[geom]
        if model.body_weldid[body] == 0:
            continue
        radius, half, _ = model.geom_size[geom]
        center, axis = data.geom_xpos[geom], data.geom_xmat[geom].reshape(3, 3)[:, 2]
        if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
            found.append((body, center + radius * down))
        elif kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
            found += [(body, center + end * half * axis + radius * down) for end in (1, -1)]
        elif kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
            angles = np.linspace(0, 2 * np.pi, 20001)[:, None]
            across = np.linalg.svd(axis[None])[2][1:]
            rim = radius * (np.cos(angles) * across[0] + np.sin(angles) * across[1])
            lowest = rim[(rim @ down).argmax()]
            found += [(body, center + end * half * axis + lowest) for end in (1, -1)]
        elif kind == mujoco.mjtGeom.mjGEOM_BOX:
            turn = data.geom_xmat[geom].reshape(3, 3)
            corners = product(*((half, -half) for half in model.geom_size[geom]))
            found += [(body, center + turn @ corner) for corner in corners]
    return found


@pytest.mark.parametrize("name", ["Hopper-v5", "Walker2d-v5", "HalfCheetah-v5", "Ant-v5", "shapes"])
def test_contact_points_are_where_mujoco_puts_the_shapes(name):
    model, spec = load(name)
    kinematics = Kinematics(spec).double()
    q, v = states(model, 20)
    contacts = kinematics.contacts(q, v)
    floor = model.geom_pos[0, 2]
    # A rim sampled at 20001 angles lies within r (pi / 20001)^2 / 2 = 2e-9 m of its lowest point
    # in height and r pi / 20001 = 2.4e-5 m across, which |angular velocity| < 5 turns into 1.2e-4
    # m/s; FLAT costs less than r FLAT^2 / (2 tilt) = 1e-9 / tilt. Other shapes only round.
    speed_error = 3e-4 if name == "shapes" else 1e-5
    for index in range(len(q)):
        data = forward(model, q[index], v[index])
        points = mujoco_points(model, data)
        assert len(points) == kinematics.contact_count
        for number, (body, point) in enumerate(points):
            jacobian = np.zeros((3, model.nv))
            mujoco.mj_jac(model, data, jacobian, None, point, body)
            height = contacts.height[index, number].item()
            assert height == pytest.approx(point[2] - floor, abs=ROUNDING)
            velocity = contacts.velocity[index, number].numpy()
            np.testing.assert_allclose(velocity, jacobian @ data.qvel, rtol=0, atol=speed_error)


def test_every_plane_of_the_world_that_is_touched_is_seen():
    xml = SHAPES_XML.replace("<worldbody>", f"<worldbody>{ROOM}")
    model = mujoco.MjModel.from_xml_string(xml)
    kinematics = Kinematics(spec_of(model)).double()
    q, v = states(model, 20)
    contacts = kinematics.contacts(q, v)
    for index in range(len(q)):
        data = forward(model, q[index], v[index])
        number = 0
        for plane in ("wall", "slope", "floor"):
            up = data.geom(plane).xmat.reshape(3, 3)[:, 2]
            for body, point in mujoco_points(model, data, up):
                jacobian = np.zeros((3, model.nv))
                mujoco.mj_jac(model, data, jacobian, None, point, body)
                seen = [field[index, number].numpy() for field in contacts]
                speed = up @ jacobian @ data.qvel
                fall = 0.5 * up[2] * model.opt.gravity[2] * model.opt.timestep**2
                height = up @ (point - data.geom(plane).xpos)
                assert seen[0] == pytest.approx(height, abs=ROUNDING)
                # As for points above one floor; see above.
                later = height + model.opt.timestep * speed + fall
                assert seen[1] == pytest.approx(later, abs=ROUNDING)
                np.testing.assert_allclose(seen[2], jacobian @ data.qvel, rtol=0, atol=3e-4)
                number += 1
        assert number == kinematics.contact_count


def test_what_slides_along_a_slope_is_at_one_height():
    slope = '<geom type="plane" size="9 9 1" zaxis="-1 0 2"/>'
    xml = WHEEL_XML.format(geom='<geom size=".2"/>', axis="0 1 0")
    plane = '<geom type="plane" size="9 9 1"/>'
    assert plane in xml
    spec = spec_of(mujoco.MjModel.from_xml_string(xml.replace(plane, slope)))
    kinematics = Kinematics(spec).double()
    assert spec.cyclic == ()
    q, v = torch.zeros(2, 4).double(), torch.zeros(2, 4).double()
    q[1, :2] = v[1, :2] = torch.tensor([2.0, 1.0])
    height, later, velocity = kinematics.contacts(q, v)
    # The wheel's centre is 1 m above the slope's origin, and its normal (-1, 0, 2) / sqrt 5.
    assert height[:, 0].tolist() == pytest.approx([2 / 5**0.5 - 0.2] * 2, abs=ROUNDING)
    torch.testing.assert_close(later[0], later[1], rtol=0, atol=ROUNDING)
    assert velocity[1, 0].tolist() == pytest.approx([2, 0, 1], abs=ROUNDING)


def test_a_cap_that_lies_flat_has_finite_heights_velocities_and_gradients():
    xml = WHEEL_XML.format(geom='<geom type="cylinder" size=".2 .1"/>', axis="0 1 0")
    kinematics = Kinematics(spec_of(mujoco.MjModel.from_xml_string(xml))).double()
    q = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    contacts = kinematics.contacts(q, torch.ones(4, dtype=torch.float64))
    # The caps are at 1 + 0.1 and 1 - 0.1; only rounding of the constants is lost.
    assert contacts.height[:2].tolist() == pytest.approx([1.1, 0.9], abs=ROUNDING)
    (gradient,) = torch.autograd.grad(contacts.height.sum() + contacts.velocity.sum(), q)
    assert gradient.isfinite().all()
    assert contacts.velocity.isfinite().all()


def test_a_lower_cap_tilts_down_with_its_rim():
    xml = WHEEL_XML.format(geom='<geom type="cylinder" size=".2 .1"/>', axis="0 1 0")
    kinematics = Kinematics(spec_of(mujoco.MjModel.from_xml_string(xml))).double()
    tilt = 0.3
    q = torch.tensor([0.0, 0.0, tilt, 0.0], dtype=torch.float64)
    height = kinematics.contacts(q, torch.zeros(4, dtype=torch.float64)).height[1].item()
    # Trigonometry of a tilted cylinder of radius 0.2 and half length 0.1.
    assert height == pytest.approx(1 - 0.1 * np.cos(tilt) - 0.2 * np.sin(tilt), abs=ROUNDING)


@pytest.mark.parametrize("name", ["Hopper-v5", "Walker2d-v5", "HalfCheetah-v5", "a room"])
def test_planar_systems_take_a_fast_path_that_equals_the_general_one(name):
    if name == "a room":
        walls = ROOM[: ROOM.index("<body")].replace(".5 2", "0 2")
        xml = WHEEL_XML.format(geom='<geom size=".2"/>', axis="0 1 0")
        model = mujoco.MjModel.from_xml_string(xml.replace("<worldbody>", f"<worldbody>{walls}"))
        spec = spec_of(model)
    else:
        model, spec = load(name)
    kinematics = Kinematics(spec).double()
    general = SpatialContacts(spec, kinematics._links).double()
    assert not isinstance(kinematics._contacts, SpatialContacts)
    q, v = states(model, 100)
    for ours, theirs in zip(kinematics.contacts(q, v), general(q, v), strict=True):
        # Both round their constants to float32; velocities sum up to seven rates of about 1/s.
        torch.testing.assert_close(ours, theirs, rtol=0, atol=5e-6)


@pytest.mark.parametrize(
    ("geom", "axis", "planar"),
    [
        ('<geom size=".2"/>', "0 1 0", True),
        ('<geom size=".2"/>', "0 1 .1", False),
        ('<geom type="cylinder" size=".2 .1" euler="90 0 0"/>', "0 1 0", True),
        ('<geom type="cylinder" size=".2 .1"/>', "0 1 0", False),
    ],
)
def test_only_exactly_planar_systems_take_the_fast_path(geom, axis, planar):
    model = mujoco.MjModel.from_xml_string(WHEEL_XML.format(geom=geom, axis=axis))
    kinematics = Kinematics(spec_of(model))
    assert isinstance(kinematics._contacts, SpatialContacts) is not planar


@pytest.mark.parametrize("name", ["Hopper-v5", "Ant-v5"])
def test_contacts_do_not_change_with_travel(name):
    model, spec = load(name)
    kinematics = Kinematics(spec)
    q, v = (tensor.float() for tensor in states(model, 10))
    far = q.clone()
    far[:, list(spec.cyclic)] += 1e4
    for near, there in zip(kinematics.contacts(q, v), kinematics.contacts(far, v), strict=True):
        torch.testing.assert_close(near, there, rtol=0, atol=0)


@pytest.mark.parametrize(
    "name", ["Swimmer-v5", "InvertedPendulum-v5", "InvertedDoublePendulum-v5", "Reacher-v5"]
)
def test_a_system_that_meets_no_plane_has_no_contacts(name):
    model, spec = load(name)
    kinematics = Kinematics(spec).double()
    q, v = states(model, 6)
    contacts = kinematics.contacts(q.reshape(2, 3, -1), v.reshape(2, 3, -1))
    assert kinematics.contact_count == 0
    assert contacts.height.shape == (2, 3, 0)
    assert contacts.velocity.shape == (2, 3, 0, 3)


def test_a_height_changes_at_the_speed_of_its_point():
    model, spec = load("Ant-v5")
    kinematics = Kinematics(spec).double()
    q, v = states(model, 20)
    step = 1e-6
    ahead = kinematics.contacts(kinematics.advance(q, step * v), v).height
    behind = kinematics.contacts(kinematics.advance(q, -step * v), v).height
    # A lowest point is stationary in its material, so heights move with it. Central differences:
    # step^2 times a third derivative of order 10, plus 1e-15 / step of rounding, plus ROUNDING.
    expected = kinematics.contacts(q, v).velocity[..., 2]
    torch.testing.assert_close((ahead - behind) / (2 * step), expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize(("name", "upward"), [("Ant-v5", 2), ("Hopper-v5", 1)])
def test_a_later_height_is_where_free_flight_leads(name, upward):
    model, spec = load(name)
    kinematics = Kinematics(spec).double()
    q, v = states(model, 20)
    v[:, upward + 1 :] = 0
    travel = spec.dt * v
    travel[:, upward] += 0.5 * spec.gravity[2] * spec.dt**2
    landed = kinematics.contacts(kinematics.advance(q, travel), v).height
    torch.testing.assert_close(kinematics.contacts(q, v).later, landed, rtol=0, atol=ROUNDING)


def test_a_point_says_which_free_joint_moves_it():
    loose = '<body pos="0 0 1"><freejoint/><geom size=".1"/></body>'
    arm = '<body><joint/><geom size=".1" pos="1 0 0"/></body>'
    plane = '<geom type="plane" size="9 9 1"/>'
    xml = f"<mujoco><worldbody>{plane}{loose}{arm}{loose}</worldbody></mujoco>"
    kinematics = Kinematics(spec_of(mujoco.MjModel.from_xml_string(xml)))
    assert kinematics.contact_base.tolist() == [0, -1, 1]
