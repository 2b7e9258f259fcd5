from contextlib import closing

import gymnasium as gym
import mujoco
import pytest
import torch
from test_frame import GO1, spec_of, tumbling

from learned_envs.kinematics import Inertia
from learned_envs.registry import family_class


@pytest.mark.parametrize("system", ["Ant-v5", str(GO1)], ids=["Ant", "Go1"])
def test_a_known_body_moves_by_known_forces_as_mujocos_does(system):
    spec = spec_of(system)
    if system.endswith(".xml"):
        mjcf = mujoco.MjModel.from_xml_path(system)
    else:
        with closing(gym.make(system)) as env:
            mjcf = env.unwrapped.model
    mjcf.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
    data = mujoco.MjData(mjcf)
    model = family_class("rigid_body")(hidden=(8,)).build(spec).double()
    # The constants as they were before they were rounded to float32.
    model.inertia = Inertia(spec)
    state, _, _ = tumbling(spec, 10)
    for q, v in zip(state.q, state.v, strict=True):
        data.qpos[:], data.qvel[:] = q, v
        data.qfrc_applied[:] = torch.randn(spec.nv)
        mujoco.mj_forward(mjcf, data)
        force = torch.tensor(data.qfrc_applied + data.qfrc_passive + data.qfrc_actuator)
        # float64 rounding, times the condition of the mass matrix
        close = {"rtol": 1e-8, "atol": 1e-8}
        torch.testing.assert_close(model.accelerate(q, v, force), torch.tensor(data.qacc), **close)
