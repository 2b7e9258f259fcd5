import tomllib
from pathlib import Path

import msgspec
import mujoco
import numpy as np
import pytest

from learned_envs.logs.convert import ROBOT_FILE, prepare
from learned_envs.logs.map import LogMap
from learned_envs.logs.quantities import quantities_of

CUBE = Path(__file__).parents[2] / "examples" / "cube_tosses"


def tosses(model, count, rng):
    """Toss a cube, as its owner's cameras would see it."""
    data, qpos, qvel = mujoco.MjData(model), [], []
    for _ in range(count):
        mujoco.mj_resetData(model, data)
        turn = rng.normal(size=4)
        data.qpos[:] = [0, 0, 0.2, *turn / np.linalg.norm(turn)]
        data.qvel[:] = np.concatenate([rng.normal(0, 0.5, 3), rng.normal(0, 5, 3)])
        for _ in range(80):
            qpos.append(data.qpos.copy())
            qvel.append(data.qvel.copy())
            mujoco.mj_step(model, data, 4)
    return {"qpos": np.array(qpos), "qvel": np.array(qvel), "length": np.full(count, 80)}


def test_what_is_found_is_written_into_the_mjcf():
    model = mujoco.MjModel.from_xml_path(str(CUBE / "cube.xml"))
    found = {quantity.name: quantity for quantity in quantities_of(model)}
    before = model.body_inertia[1].copy()
    found["root inertia, times"].put(model, 1.5)
    found["contact friction"].put(model, 0.3)
    assert np.allclose(model.body_inertia[1], 1.5 * before)
    assert found["root inertia, times"].get(model) == pytest.approx(1.5)
    assert model.geom_friction[:, 0] == pytest.approx(0.3)
    assert found["contact friction"].at_end(3.0) and not found["contact friction"].at_end(0.3)


@pytest.mark.slow
def test_a_cubes_friction_and_inertia_are_found(tmp_path):
    model = mujoco.MjModel.from_xml_path(str(CUBE / "cube.xml"))
    model.geom_friction[:, 0] = 0.25
    model.body_inertia[1] *= 1.5
    mujoco.mj_setConst(model, mujoco.MjData(model))
    np.savez(tmp_path / "tosses.npz", **tosses(model, 12, np.random.default_rng(0)))
    log_map = msgspec.convert(tomllib.loads((CUBE / "cube.toml").read_text()), LogMap)
    prepare(tmp_path / "tosses.npz", log_map, tmp_path / "logs", CUBE / "cube.xml")
    found = mujoco.MjModel.from_xml_path(str(tmp_path / "logs" / ROBOT_FILE))
    assert found.geom_friction[:, 0] == pytest.approx([0.25, 0.25], abs=0.02)
    assert found.body_inertia[1] == pytest.approx(model.body_inertia[1], rel=0.1)
    assert found.body_mass == pytest.approx(model.body_mass)
