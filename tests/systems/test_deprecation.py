"""What MuJoCo says of old MJCF is not for the user; all else that it says is."""

import warnings

import mujoco
import numpy as np
import pytest

from learned_envs.systems.reference import deprecations_swallowed

OLD = "<mujoco><compiler settotalmass='1'/><worldbody><geom size='1'/></worldbody></mujoco>"


def load_old_mjcf() -> None:
    mujoco.MjModel.from_xml_string(OLD)


def lose_a_body() -> None:
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><freejoint/><geom size='1'/></body></worldbody></mujoco>"
    )
    data = mujoco.MjData(model)
    data.qpos[0] = np.nan
    mujoco.mj_checkPos(model, data)


@pytest.fixture
def heard():
    messages: list[str] = []
    previous = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(messages.append)
    yield messages
    mujoco.set_mju_user_warning(previous)


def test_old_mjcf_is_passed_over(heard):
    load_old_mjcf()
    if not heard:
        pytest.skip("this version of MuJoCo calls nothing deprecated")
    assert "deprecated" in heard.pop()
    with deprecations_swallowed():
        load_old_mjcf()
    assert heard == []


def test_other_warnings_reach_the_handler_that_was_there(heard):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with deprecations_swallowed():
            lose_a_body()
    assert "QPOS" in heard[0]


def test_other_warnings_become_pythons_where_there_was_no_handler():
    with pytest.warns(UserWarning, match="QPOS"), deprecations_swallowed():
        lose_a_body()
    assert mujoco.get_mju_user_warning() is None


def test_the_handler_comes_back_after_an_error(heard):
    with pytest.raises(ValueError, match="XML"), deprecations_swallowed():
        mujoco.MjModel.from_xml_string("")
    lose_a_body()
    assert "QPOS" in heard[0]
