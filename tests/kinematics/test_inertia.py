import gymnasium as gym
import mujoco
import numpy as np
import pytest
import torch

from learned_envs import catalogue
from learned_envs.errors import ParameterError
from learned_envs.kinematics import Inertia
from learned_envs.systems.reference import describe
from learned_envs.systems.spec import SystemSpec

IDS = [
    *("Hopper-v5", "Walker2d-v5", "HalfCheetah-v5", "Swimmer-v5", "Reacher-v5", "Ant-v5"),
    *("InvertedPendulum-v5", "InvertedDoublePendulum-v5"),
    *(f"{name}-v0" for name in catalogue.PENDULUMS),
]


@pytest.mark.parametrize("env_id", IDS)
def test_mass_bias_and_energy_are_mujocos(env_id):
    env = gym.make(env_id)
    inertia = Inertia(describe(env))
    model, data = env.unwrapped.model, env.unwrapped.data
    model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    random = np.random.default_rng(0)
    mujoco.mj_resetData(model, data)
    for _ in range(20):
        q = model.qpos0.copy()
        mujoco.mj_integratePos(model, q, random.normal(size=model.nv), 1.0)
        data.qpos[:], data.qvel[:] = q, random.normal(size=model.nv)
        mujoco.mj_forward(model, data)
        mass = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, data, mass)
        ours = inertia(torch.tensor(q), torch.tensor(data.qvel))
        # float64 rounding
        close = {"rtol": 1e-9, "atol": 1e-9}
        np.testing.assert_allclose(ours[0].numpy(), mass, **close)
        np.testing.assert_allclose(ours[1].numpy(), data.qfrc_bias, **close)
        energy = inertia.energy(torch.tensor(q), torch.tensor(data.qvel))
        np.testing.assert_allclose(torch.stack(energy).numpy(), data.energy, **close)


def test_any_batch_shape():
    inertia = Inertia(describe(gym.make("Ant-v5"))).float()
    q, v = torch.randn(2, 3, 15), torch.randn(2, 3, 14)
    mass, bias = inertia(q, v)
    assert mass.shape == (2, 3, 14, 14)
    assert bias.shape == (2, 3, 14)
    assert [energy.shape for energy in inertia.energy(q, v)] == [(2, 3)] * 2


def test_a_spec_without_masses_says_so():
    spec = describe(gym.make("Hopper-v5")).to_dict()
    for body in spec["bodies"]:
        for name in ("mass", "inertia", "inertial_pos", "inertial_quat"):
            del body[name]
    with pytest.raises(ParameterError, match="fit the model anew"):
        Inertia(SystemSpec.from_dict(spec))
