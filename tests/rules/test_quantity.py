"""What rules read is found in MuJoCo's data by its name."""

import mujoco
import numpy as np
import pytest

from learned_envs.errors import SystemSpecError
from learned_envs.rules.quantity import Watch
from learned_envs.systems.columns import read_quantity

XML = """
<mujoco>
  <worldbody>
    <geom name="floor.of.wood" type="plane" size="1 1 1"/>
    <body pos="0 0 0.09">
      <freejoint/>
      <geom name="ball" size="0.1"/>
      <site name="inside"/>
    </body>
    <body pos="3 0 1"><geom size="0.1"/></body>
  </worldbody>
  <sensor>
    <gyro name="turns" site="inside"/>
    <accelerometer site="inside"/>
  </sensor>
</mujoco>
"""


@pytest.fixture
def data() -> mujoco.MjData:
    model = mujoco.MjModel.from_xml_string(XML)
    data = mujoco.MjData(model)
    data.qvel[3:] = 1, 2, 3
    mujoco.mj_forward(model, data)
    return data


def test_arrays_sensors_and_contacts(data: mujoco.MjData) -> None:
    assert read_quantity(data.model, data, "xpos").shape == (3, 3)
    assert read_quantity(data.model, data, "time").shape == ()
    np.testing.assert_allclose(read_quantity(data.model, data, "sensor.turns"), [1, 2, 3])
    # A sensor without a name has its index.
    np.testing.assert_array_equal(read_quantity(data.model, data, "sensor.1"), data.sensordata[3:6])
    assert read_quantity(data.model, data, "touch.ball.floor.of.wood") == 1
    assert read_quantity(data.model, data, "touch.2.ball") == 0


@pytest.mark.parametrize("name", ["nothing", "model", "sensor.none", "touch.ball", "touch.a.b"])
def test_what_is_not_there_is_an_error(data: mujoco.MjData, name: str) -> None:
    with pytest.raises(SystemSpecError, match=name.rpartition(".")[2]):
        read_quantity(data.model, data, name)


def test_a_step_is_watched_where_physics_is_called(data: mujoco.MjData) -> None:
    watch = Watch(data, ["before.time", "after.time", "fresh.time", "after.xpos", "fresh.xpos"])
    with watch.step():
        mujoco.mj_step(data.model, data)
        mujoco.mj_step(data.model, data)
        mujoco.mj_forward(data.model, data)
    step = data.model.opt.timestep
    assert [watch.values[f"{when}.time"] for when in ("before", "after", "fresh")] == [
        0,
        2 * step,
        2 * step,
    ]
    # What physics derives lags behind, until it is computed anew.
    assert (watch.values["after.xpos"] != watch.values["fresh.xpos"]).any()
    assert mujoco.mj_step.__name__ == "mj_step"
