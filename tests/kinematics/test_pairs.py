"""How near shapes are to one another, against MuJoCo's distances and velocities."""

from dataclasses import replace
from itertools import combinations_with_replacement

import mujoco
import numpy as np
import pytest
import torch
from mechanisms import forward, spec_of, states

from learned_envs.codegen.numpy_code.function import NumpyFunction
from learned_envs.errors import ParameterError
from learned_envs.kinematics import Kinematics
from learned_envs.systems.consistency import check_spec
from learned_envs.systems.geom import Pair

SHAPES = {
    "sphere": 'type="sphere" size=".06"',
    "capsule": 'type="capsule" size=".04 .1"',
    "cylinder": 'type="cylinder" size=".06 .05"',
    "box": 'type="box" size=".1 .07 .05"',
    "ellipsoid": 'type="ellipsoid" size=".1 .07 .05"',
    "mesh": 'type="mesh" mesh="rock"',
}

XML = """
<mujoco>
  <asset><mesh name="rock" vertex="{vertices}"/></asset>
  <worldbody>
    <body><freejoint/><geom name="one" pos=".02 0 .01" quat=".9 .1 .3 .2" {one}/></body>
    <body>
      <joint axis="0 0 1"/><joint axis="0 1 0"/><geom name="other" pos="0 .03 0" {other}/>
    </body>
  </worldbody>
</mujoco>
"""

ONE, OTHER = 0, 1


def model_of(one: str, other: str) -> mujoco.MjModel:
    points = np.random.default_rng(0).normal(size=(16, 3))
    points *= 0.08 / np.linalg.norm(points, axis=1, keepdims=True)
    text = " ".join(f"{number:.6f}" for number in points.ravel())
    return mujoco.MjModel.from_xml_string(
        XML.format(vertices=text, one=SHAPES[one], other=SHAPES[other])
    )


PAIRS = [*combinations_with_replacement(SHAPES, 2)]


def kinematics_of(model: mujoco.MjModel) -> Kinematics:
    spec = replace(spec_of(model), pairs=(Pair(ONE, OTHER),))
    check_spec(spec)
    return Kinematics(spec).double()


def near_states(model: mujoco.MjModel, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    q, v = states(model, count)
    q[:, :3] *= 0.12
    return q, v


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_distances_are_those_of_mujoco(one: str, other: str):
    model = model_of(one, other)
    q, v = near_states(model, 200)
    ours = kinematics_of(model).pairs(q, v).distance[:, 0].numpy()
    rows, segment = zip(q, v, strict=True), np.zeros(6)
    truth = np.array(
        [
            mujoco.mj_geomDistance(model, forward(model, *row), ONE, OTHER, 9.0, segment)
            for row in rows
        ]
    )
    error, apart = np.abs(ours - truth), truth > 0
    shallow = error[~apart & (truth > -0.005)]
    if {one, other} <= {"sphere", "capsule"}:
        # Formulas. MuJoCo's and ours round to 1e-6, where axes are no shorter than 0.1 m.
        assert error[apart].max() < 2e-6
        assert shallow.max(initial=0.0) < 2e-6
        return
    # Over 4000 such poses of each pair the median was 0.21 mm at most (two meshes) and 0.1 mm for
    # all others, the largest error 2.9 mm, and nine in ten that overlap by less than 5 mm were
    # within 0.8 mm. MuJoCo itself tells some capsules deep within a box (1 in 1000) to be outside.
    assert np.median(error[apart]) < 3e-4
    assert np.quantile(error[apart], 0.98) < 3e-3
    assert np.quantile(shallow, 0.8) < 1e-3


@pytest.mark.parametrize(("one", "other"), [("capsule", "capsule"), ("box", "cylinder")])
def test_a_distance_changes_at_the_speed_along_the_normal(one: str, other: str):
    model = model_of(one, other)
    kinematics = kinematics_of(model)
    q, v = near_states(model, 100)
    pairs = kinematics.pairs(q, v)
    step = 1e-6
    ahead, behind = (
        kinematics.pairs(kinematics.advance(q, sign * step * v), v).distance for sign in (1, -1)
    )
    speed = (pairs.normal * pairs.velocity).sum(-1)
    error = ((ahead - behind) / (2 * step) - speed).abs()[pairs.distance > 0]
    # Nearest points are stationary. Cores are rounder than shapes, so their normal errs by up to
    # 0.1 radians near an edge, times the 1 m/s at which points of the shapes move across it.
    assert error.quantile(0.9) < (1e-5 if one == "capsule" else 0.15)
    torch.testing.assert_close(pairs.later, pairs.distance + kinematics._pairs.dt * speed)
    torch.testing.assert_close(pairs.normal.norm(dim=-1), torch.ones(100, 1).double())


MANY_XML = """
<mujoco>
  <worldbody>
    <geom name="table" type="box" size=".5 .5 .1"/>
    <body pos="0 0 .3"><freejoint/><geom name="ball" size=".1"/></body>
    <body pos="0 .2 .3"><freejoint/><geom name="can" type="cylinder" size=".1 .1"/>
      <body pos="0 .3 0"><joint axis="1 0 0"/><geom name="arm" type="capsule" size=".05 .1"/></body>
    </body>
  </worldbody>
</mujoco>
"""

MANY = (("ball", "can"), ("arm", "ball"), ("table", "ball"), ("arm", "table"))


def many() -> Kinematics:
    model = mujoco.MjModel.from_xml_string(MANY_XML)
    pairs = tuple(Pair(*(model.geom(name).id for name in pair)) for pair in MANY)
    return Kinematics(replace(spec_of(model), pairs=pairs))


def test_pairs_are_in_the_order_of_the_spec_and_say_which_free_joint_moves_them():
    kinematics = many()
    q = torch.tensor([0, 0, 0.3, 1, 0, 0, 0, 0, 0.3, 0.3, 1, 0, 0, 0, 0.0])
    distance, _, normal, _ = kinematics.pairs(q, torch.zeros(13))
    # The ball is 0.3 m from the can's axis and 0.2 m above the table. The arm is 0.6 m from the
    # ball, and the lower end of its axis 0.1 m beside the table's edge and 0.1 m above.
    expected = [0.1, 0.45, 0.1, 0.1 * 2**0.5 - 0.05]
    assert distance.tolist() == pytest.approx(expected, abs=1e-4)
    slope = -(0.5**0.5)
    expected = torch.tensor([[0, 1, 0], [0, -1, 0], [0, 0, 1], [0, slope, slope]])
    torch.testing.assert_close(normal, expected, rtol=0, atol=1e-3)
    assert kinematics.pair_base.tolist() == [0, 1, 0, 1]


def test_where_cores_cross_all_is_finite_and_so_are_gradients():
    kinematics = many()
    q = torch.tensor([0, 0, 0.0, 1, 0, 0, 0, 0, 0, 0.0, 1, 0, 0, 0, 0.0]).requires_grad_()
    pairs = kinematics.pairs(q, torch.ones(13))
    (gradient,) = torch.autograd.grad(sum(part.sum() for part in pairs), q)
    assert gradient.isfinite().all()
    assert all(part.isfinite().all() for part in pairs)
    assert (pairs.distance < 0).tolist() == [True, False, True, True]


def test_numpy_code_gives_what_torch_gives():
    kinematics = many()
    q = torch.randn(20, 15, generator=torch.Generator().manual_seed(0)) / 3
    v = torch.ones(20, 13)
    function = NumpyFunction(lambda q, v: list(kinematics.pairs(q, v)), [q[:1], v[:1]])
    for row in range(len(q)):
        ours = function.run(q[row].numpy(), v[row].numpy())
        for one, other in zip(ours, kinematics.pairs(q[row], v[row]), strict=True):
            # Float32 on numbers of size 1, in eight steps that divide by areas.
            np.testing.assert_allclose(one.reshape(other.shape), other, rtol=0, atol=2e-3)


def test_a_shape_without_distances_is_refused_by_name():
    model = mujoco.MjModel.from_xml_string(
        MANY_XML.replace("</world", '<geom type="plane" size="1 1 1"/></world')
    )
    spec = replace(spec_of(model), pairs=(Pair(0, 1),))
    assert spec.geoms[1].kind == "plane"
    with pytest.raises(ParameterError, match="'plane'"):
        Kinematics(spec)
