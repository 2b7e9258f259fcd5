"""The points of boxes, ellipsoids and meshes that meet planes, against MuJoCo's geometry."""

import mujoco
import numpy as np
import pytest
import torch
from mechanisms import ROUNDING, forward, spec_of, states

from learned_envs.kinematics import Kinematics
from learned_envs.systems.consistency import check_spec
from learned_envs.systems.geom import MOST_VERTICES
from learned_envs.systems.hull import spread_vertices

XML = """
<mujoco>
  <asset><mesh name="rock" vertex="{vertices}"/></asset>
  <worldbody>
    <geom name="floor" type="plane" size="9 9 1" pos="0 0 -.3"/>
    <geom name="slope" type="plane" size="9 9 1" pos="-1 .3 -.2" zaxis="1 .5 2"/>
    <body pos="0 0 1">
      <freejoint/>
      <geom name="shape" pos=".1 0 .2" quat=".9 .1 .3 .2" {shape}/>
    </body>
  </worldbody>
</mujoco>
"""

SHAPES = {
    "box": 'type="box" size=".1 .2 .05"',
    "ellipsoid": 'type="ellipsoid" size=".1 .2 .05"',
    "mesh": 'type="mesh" mesh="rock"',
}


def model_of(shape: str, vertices: int = MOST_VERTICES) -> mujoco.MjModel:
    points = np.random.default_rng(0).normal(size=(vertices, 3))
    points *= 0.2 / np.linalg.norm(points, axis=1, keepdims=True)
    text = " ".join(f"{number:.8f}" for number in points.ravel())
    return mujoco.MjModel.from_xml_string(XML.format(vertices=text, shape=SHAPES[shape]))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_lowest_point_is_as_high_as_mujoco_says(shape):
    model = model_of(shape)
    spec = spec_of(model)
    check_spec(spec)
    kinematics = Kinematics(spec).double()
    q, v = states(model, 100)
    contacts = kinematics.contacts(q, v)
    count = kinematics.contact_count // 2
    assert count == {"box": 8, "ellipsoid": 1, "mesh": MOST_VERTICES}[shape]
    segment = np.zeros(6)
    for index in range(len(q)):
        data = forward(model, q[index], v[index])
        for number, plane in enumerate(("floor", "slope")):
            height = contacts.height[index, number * count : (number + 1) * count].min().item()
            ids = model.geom(plane).id, model.geom("shape").id
            # MuJoCo keeps vertices of meshes in float32: 0.3 m times 6e-8.
            truth = mujoco.mj_geomDistance(model, data, *ids, 10.0, segment)
            assert height == pytest.approx(truth, abs=ROUNDING)


@pytest.mark.parametrize("shape", SHAPES)
def test_heights_change_at_the_speed_of_their_points(shape):
    model = model_of(shape)
    kinematics = Kinematics(spec_of(model)).double()
    q, v = states(model, 20)
    step, count = 1e-6, kinematics.contact_count // 2
    ahead, behind = (
        kinematics.contacts(kinematics.advance(q, sign * step * v), v).height for sign in (1, -1)
    )
    # Central differences: step^2 times a third derivative of order 10, plus rounding.
    speed = kinematics.contacts(q, v).velocity[..., :count, 2]
    change = (ahead - behind)[..., :count] / (2 * step)
    torch.testing.assert_close(change, speed, rtol=0, atol=5e-6)


def test_a_mesh_of_many_vertices_says_how_far_it_lies_beyond_those_that_are_seen():
    model = model_of("mesh", 300)
    spec = spec_of(model)
    geom = spec.geoms[-1]
    assert len(geom.vertices) == MOST_VERTICES
    # A ball of radius 0.2 m: the deepest of 16 vertices' faces lies at least 0.2 (1 - cos a) below
    # it, where 16 caps of the angle a are needed to cover a sphere, so a > 0.5.
    assert 0.024 < geom.beyond < 0.1
    whole = model.mesh_vert
    directions = np.random.default_rng(1).normal(size=(2000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lacking = (directions @ whole.T).max(1) - (directions @ np.array(geom.vertices).T).max(1)
    assert lacking.min() >= -ROUNDING
    # Other directions than those that it was measured along: a vertex 0.2 m out sinks by at most
    # 0.2 times the 0.06 radians to the nearest one.
    assert lacking.max() <= geom.beyond + 0.2 * 0.06


def test_meshes_that_meet_nothing_are_left_out():
    text = XML.replace("{shape}", '{shape} contype="0" conaffinity="0"')
    shape = SHAPES["mesh"]
    model = mujoco.MjModel.from_xml_string(
        text.format(vertices="0 0 0 1 0 0 0 1 0 0 0 1", shape=shape)
    )
    geom = spec_of(model).geoms[-1]
    assert (geom.kind, geom.vertices) == ("other", ())


def test_a_few_vertices_are_kept_whole():
    cube = np.array([[x, y, z] for x in (0.0, 1) for y in (0.0, 1) for z in (0.0, 1)])
    inner = np.concatenate([cube, [[0.5, 0.5, 0.5]]])
    chosen, beyond = spread_vertices(inner, MOST_VERTICES)
    assert sorted(chosen.tolist()) == sorted(cube.tolist())
    assert beyond == 0.0
