import gymnasium as gym
import mujoco
import numpy as np
import pytest
import torch

from learned_envs.kinematics import Kinematics
from learned_envs.kinematics.contact import SpatialContacts
from learned_envs.systems.reference import describe
from learned_envs.systems.spec import SystemSpec

IDS = [
    "Hopper-v5",
    "Walker2d-v5",
    "HalfCheetah-v5",
    "Swimmer-v5",
    "InvertedPendulum-v5",
    "InvertedDoublePendulum-v5",
    "Reacher-v5",
    "Ant-v5",
]

# Constants are float32: 6e-8 relative in lengths of about 1 m and in angles, along chains of at
# most eight joints. Measured over all systems below: 5e-8.
ROUNDING = 1e-6

SHAPES_XML = """
<mujoco>
  <worldbody>
    <geom name="floor" type="plane" size="9 9 1" pos="0 0 -.3"/>
    <geom type="sphere" size=".1" pos="3 0 0"/>
    <body pos="3 3 1"><geom type="sphere" size=".1"/></body>
    <body pos=".1 .2 .9" quat=".9 .1 .2 .3">
      <joint type="slide" axis="1 .2 .3"/>
      <joint type="hinge" axis=".3 1 .2" pos=".1 -.2 .05" ref="20"/>
      <joint type="hinge" axis="0 .4 1" pos="0 .1 0"/>
      <geom type="sphere" size=".07" pos=".1 0 .2"/>
      <geom type="capsule" size=".05 .2" pos="0 .1 0" quat=".7 .1 .6 .2"/>
      <body pos="0 .1 -.3" quat=".8 0 .5 0">
        <geom type="cylinder" size=".15 .1" pos=".05 0 0" quat=".7 .5 .1 .2"/>
        <body pos=".1 0 -.1">
          <joint type="slide" axis="0 1 1"/>
          <geom type="box" size=".1 .1 .1"/>
          <geom type="cylinder" size=".1 .05" quat=".2 .5 .1 .2"/>
        </body>
      </body>
    </body>
    <body pos="0 1 1">
      <freejoint/>
      <geom type="capsule" size=".05 .2" pos="0 .1 .3"/>
    </body>
  </worldbody>
</mujoco>
"""

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


def spec_of(model: mujoco.MjModel) -> SystemSpec:
    class Inline(gym.Env):
        spec = gym.spec("Hopper-v5")
        frame_skip = 1

    env = Inline()
    env.model = model
    return describe(env)


def load(name: str) -> tuple[mujoco.MjModel, SystemSpec]:
    if name == "shapes":
        model = mujoco.MjModel.from_xml_string(SHAPES_XML)
        return model, spec_of(model)
    env = gym.make(name)
    return env.unwrapped.model, describe(env)


def states(model: mujoco.MjModel, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw q and v at random, free joints with unit quaternions, as MuJoCo leaves them."""
    random = np.random.default_rng(0)
    q = random.normal(size=(count, model.nq)) + model.qpos0
    for row in q:
        mujoco.mj_normalizeQuat(model, row)
    return torch.tensor(q), torch.tensor(random.normal(size=(count, model.nv)))


def forward(model: mujoco.MjModel, q: torch.Tensor, v: torch.Tensor) -> mujoco.MjData:
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = q, v
    mujoco.mj_forward(model, data)
    return data


def mujoco_points(model: mujoco.MjModel, data: mujoco.MjData) -> list[tuple[int, np.ndarray]]:
    """List (body, lowest point) of each end of each moving shape, from MuJoCo's own poses."""
    found = []
    down = np.array([0.0, 0.0, -1.0])
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
            lowest = rim[rim[:, 2].argmin()]
            found += [(body, center + end * half * axis + lowest) for end in (1, -1)]
    return found


@pytest.mark.parametrize("name", [*IDS, "shapes"])
def test_poses_are_mujocos(name):
    model, spec = load(name)
    q, v = states(model, 20)
    poses = Kinematics(spec).double()(q)
    for index in range(len(q)):
        data = forward(model, q[index], v[index])
        expected = data.xpos, data.xmat, data.geom_xpos, data.geom_xmat
        for ours, theirs in zip(poses, expected, strict=True):
            ours = ours[index].numpy()
            np.testing.assert_allclose(ours, theirs.reshape(ours.shape), rtol=0, atol=ROUNDING)


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


@pytest.mark.parametrize("name", ["Hopper-v5", "Walker2d-v5", "HalfCheetah-v5"])
def test_planar_systems_take_a_fast_path_that_equals_the_general_one(name):
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


@pytest.mark.parametrize("name", ["Hopper-v5", "Ant-v5"])
def test_any_leading_dimensions_give_the_same_answers(name):
    model, spec = load(name)
    kinematics = Kinematics(spec).double()
    q, v = states(model, 6)
    batched = *kinematics(q), *kinematics.contacts(q, v), kinematics.advance(q, v)
    nested = q.reshape(2, 3, -1), v.reshape(2, 3, -1)
    stacked = (
        *kinematics(nested[0]),
        *kinematics.contacts(*nested),
        kinematics.advance(*nested),
    )
    single = *kinematics(q[0]), *kinematics.contacts(q[0], v[0]), kinematics.advance(q[0], v[0])
    for flat, deep, one in zip(batched, stacked, single, strict=True):
        # Matrix products of another shape may sum in another order: a few ulp.
        torch.testing.assert_close(deep, flat.reshape(2, 3, *flat.shape[1:]), rtol=0, atol=1e-13)
        torch.testing.assert_close(one, flat[0], rtol=0, atol=1e-13)


def turns() -> np.ndarray:
    """Rotation vectors of every size up to just below pi, zero included."""
    random = np.random.default_rng(1)
    direction = random.normal(size=(40, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    sizes = [0, 1e-12, 1e-8, 1e-5, 1e-4, 2e-4, 1e-3, 0.1, 1, 2, 3, np.pi - 1e-3]
    return np.resize(sizes, 40)[:, None] * direction


def test_tangent_arithmetic_is_mujocos():
    model, spec = load("Ant-v5")
    kinematics = Kinematics(spec).double()
    q, displacement = states(model, 40)
    displacement[:, 3:6] = torch.tensor(turns())
    moved = kinematics.advance(q, displacement)
    back = kinematics.difference(q, moved)
    for index in range(40):
        expected = q[index].numpy().copy()
        mujoco.mj_integratePos(model, expected, displacement[index].numpy(), 1.0)
        # Float64 rounding of a quaternion product.
        np.testing.assert_allclose(moved[index].numpy(), expected, rtol=0, atol=1e-14)
        change = np.zeros(model.nv)
        mujoco.mj_differentiatePos(model, change, 1.0, q[index].numpy(), moved[index].numpy())
        # The same rounding, doubled by the half angle.
        np.testing.assert_allclose(back[index].numpy(), change, rtol=0, atol=1e-13)
        np.testing.assert_allclose(back[index], displacement[index], rtol=0, atol=1e-13)


def test_a_turn_past_pi_comes_back_the_short_way():
    model, spec = load("Ant-v5")
    kinematics = Kinematics(spec).double()
    q, displacement = states(model, 1)
    displacement[:, 3:6] = torch.tensor([0.0, 0.0, np.pi + 0.5], dtype=torch.float64)
    back = kinematics.difference(q, kinematics.advance(q, displacement))
    # Float64 rounding.
    torch.testing.assert_close(back[0, 5].item(), 0.5 - np.pi, rtol=0, atol=1e-13)


def test_without_free_joints_tangent_arithmetic_is_plain():
    model, spec = load("Hopper-v5")
    kinematics = Kinematics(spec).double()
    q, v = states(model, 5)
    assert torch.equal(kinematics.advance(q, v), q + v)
    assert torch.equal(kinematics.difference(q, v), v - q)


def test_gradients_pass_through_a_rotation_of_zero():
    model, spec = load("Ant-v5")
    kinematics = Kinematics(spec).double()
    q, displacement = states(model, 2)
    displacement[:, 3:6] = 0.0
    displacement.requires_grad_()

    def there_and_back(displacement: torch.Tensor) -> torch.Tensor:
        return kinematics.difference(q, kinematics.advance(q, displacement))

    # gradcheck's own default bounds, for central differences in float64. There and back is the
    # identity, with the identity as its Jacobian.
    assert torch.autograd.gradcheck(there_and_back, (displacement,))


@pytest.mark.parametrize("name", ["Hopper-v5", "Ant-v5", "shapes"])
def test_gradients_are_those_of_finite_differences(name):
    model, spec = load(name)
    kinematics = Kinematics(spec).double()
    q, v = (tensor.requires_grad_() for tensor in states(model, 2))
    # gradcheck's own default bounds, for central differences in float64.
    assert torch.autograd.gradcheck(kinematics, (q,))
    assert torch.autograd.gradcheck(kinematics.contacts, (q, v))


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


def test_constants_follow_the_module_and_stay_out_of_its_state():
    model, spec = load("Hopper-v5")
    kinematics = Kinematics(spec)
    assert kinematics.state_dict() == {}
    q, v = (tensor.float() for tensor in states(model, 3))
    assert kinematics.contacts(q, v).height.dtype == torch.float32
    assert kinematics.double().contacts(q.double(), v.double()).height.dtype == torch.float64
