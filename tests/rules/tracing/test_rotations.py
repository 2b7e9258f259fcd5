"""Rotations in a step, by MuJoCo's and SciPy's functions, give what these give."""

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from writing import check


def filled(name, size):
    def function(*args):
        result = np.zeros(size)
        getattr(mujoco, name)(result, *args)
        return result

    return function


def quaternions(rng):
    return [x / np.linalg.norm(x) for x in rng.normal(size=(2, 4))]


def one(rng):
    return quaternions(rng)[:1]


MUJOCO = {
    "mju_mulQuat": (4, quaternions),
    "mju_negQuat": (4, one),
    "mju_quat2Mat": (9, one),
    "mju_rotVecQuat": (3, lambda rng: [rng.normal(size=3), *one(rng)]),
    "mju_subQuat": (3, quaternions),
    "mju_cross": (3, lambda rng: list(rng.normal(size=(2, 3)))),
    "mju_mulMatVec": (2, lambda rng: [rng.normal(size=(2, 3)), rng.normal(size=3)]),
}

SCIPY = {
    "matrix": lambda q, p: Rotation.from_quat(q).as_matrix(),
    "quaternion": lambda q, p: Rotation.from_quat(q, scalar_first=True).as_quat(canonical=True),
    "euler": lambda q, p: Rotation.from_quat(q).as_euler("xyz"),
    "euler of the moving": lambda q, p: Rotation.from_quat(q).as_euler("XYZ", degrees=True),
    "euler in another order": lambda q, p: Rotation.from_quat(q).as_euler("zyx"),
    "euler in odd order": lambda q, p: Rotation.from_quat(q).as_euler("YXZ"),
    "of euler": lambda q, p: Rotation.from_euler("zxy", q[:3]).as_matrix(),
    "of euler of the moving": lambda q, p: Rotation.from_euler("ZYX", q[:3]).as_matrix(),
    "of one angle": lambda q, p: Rotation.from_euler("z", q[0]).as_matrix(),
    "of a vector": lambda q, p: Rotation.from_rotvec(q[:3]).as_matrix(),
    "vector": lambda q, p: Rotation.from_quat(q).as_rotvec(),
    "apply": lambda q, p: Rotation.from_quat(q).apply(p[:3]),
    "apply to many": lambda q, p: Rotation.from_quat(q).apply([p[:3], q[:3]], inverse=True),
    "product": lambda q, p: (Rotation.from_quat(q) * Rotation.from_quat(p).inv()).as_matrix(),
    "with a constant": lambda q, p: (
        Rotation.from_euler("x", 0.3) * Rotation.from_quat(q)
    ).as_matrix(),
    "magnitude": lambda q, p: Rotation.from_quat(q).magnitude(),
    "of a matrix": lambda q, p: Rotation.from_matrix(Rotation.from_quat(q).as_matrix()).as_quat(
        canonical=True
    ),
}


@pytest.mark.parametrize("name", MUJOCO)
def test_functions_of_mujoco(name):
    size, draw = MUJOCO[name]
    check(filled(name, size), draw)


@pytest.mark.parametrize("name", SCIPY)
def test_rotations_of_scipy(name):
    # Angles near a quarter turn lose half of the digits at most.
    check(SCIPY[name], quaternions, atol=1e-12)


def test_numbers_of_mujoco():
    def function(q, p):
        spun = q.copy()
        size = mujoco.mju_normalize4(spun)
        turned = np.zeros(4)
        mujoco.mju_mat2Quat(turned, np.eye(3).ravel())
        return size + mujoco.mju_dot3(q[:3], p[:3]) + spun + turned

    check(function, lambda rng: list(rng.normal(size=(2, 4))))
