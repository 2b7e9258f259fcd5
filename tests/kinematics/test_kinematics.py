import mujoco
import numpy as np
import pytest
import torch
from mechanisms import ROUNDING, forward, load, states

from learned_envs.kinematics import Kinematics

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


def test_constants_follow_the_module_and_stay_out_of_its_state():
    model, spec = load("Hopper-v5")
    kinematics = Kinematics(spec)
    assert kinematics.state_dict() == {}
    q, v = (tensor.float() for tensor in states(model, 3))
    assert kinematics.contacts(q, v).height.dtype == torch.float32
    assert kinematics.double().contacts(q.double(), v.double()).height.dtype == torch.float64
