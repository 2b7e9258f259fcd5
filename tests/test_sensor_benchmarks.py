"""The benchmarks of what the solver makes, and of bodies that nobody moves."""

import math
from contextlib import closing
from pathlib import Path

import gymnasium as gym
import mujoco
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from learned_envs.fit import TrainingConfig
from learned_envs.sb3 import Agent
from learned_envs.state import State
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.reference import describe, make_reference
from learned_envs.systems.sensor import Sensor

CUBE = Path(__file__).parents[1] / "examples" / "cube.xml"
TINY = TrainingConfig(members=1, updates=2, batch_size=8, horizons=(1,), check_every=2)


@pytest.fixture
def agent(tmp_path):
    with closing(gym.make("InvertedDoublePendulum-v5")) as env:
        model = PPO("MlpPolicy", env, n_steps=8, batch_size=8, device="cpu", seed=0)
    Agent(model).save(tmp_path / "agent")
    return tmp_path / "agent"


def test_an_agent_acts_on_predicted_true_and_no_readings(benchmark, checkpoint, agent):
    module = benchmark("solver_sensors")
    double = str(checkpoint("InvertedDoublePendulum"))
    options = module.Options(agent, checkpoint=double, episodes=2, steps=3)
    result = module.main(options)
    assert result["runs"].keys() == {"predicted", "true", "zero"}
    for kind, run in result["runs"].items():
        assert run.returns.shape == (2,)
        assert run.apart.keys() == {"predicted", "true", "zero"} - {kind}
        assert all(0 <= distance < 10 for distance in run.apart.values())
    # Far from the ends of the rail nothing pushes the cart.
    (true,) = result["runs"]["true"].true.values()
    assert (true == 0).all()
    # The force stands last in the observation.
    simulation = module.Simulation.load(double)
    assert module.columns_of_readings(simulation) == [8]


def test_true_readings_are_mujoco_s_in_the_state_that_was_reached(benchmark):
    module = benchmark("solver_sensors")
    forces = [Sensor("cfrc_ext", size=84, array="cfrc_ext")]
    with closing(make_reference("Ant-v5")) as env:
        env.reset(seed=0)
        real = Adapter(env)
        # Pressed a centimetre into the ground.
        q = torch.tensor(real.model.qpos0)[None].repeat(2, 1)
        q[:, 7:] = torch.tensor([0.0, 1.0, 0.0, -1.0, 0.0, -1.0, 0.0, 1.0])
        q[0, 2], q[1, 2] = 0.3, 2.0
        still = State(q, torch.zeros(2, 14))
        read = module.true_readings(real, forces, still, torch.zeros(2, 8), still)["cfrc_ext"]
        data = mujoco.MjData(real.model)
        data.qpos[:] = q[0].numpy()
        mujoco.mj_forward(real.model, data)
        mujoco.mj_rnePostConstraint(real.model, data)
    assert data.ncon > 0
    # float32 rounding
    np.testing.assert_allclose(read[0], data.cfrc_ext.ravel(), rtol=1e-5, atol=1e-4)
    assert (read[1] == 0).all()


def test_a_cube_is_recorded_fitted_and_tossed(benchmark, tmp_path):
    module = benchmark("passive")
    options = module.Options(
        fit=(str(CUBE),), out=tmp_path, record=400, training=TINY, episodes=2, steps=20
    )
    (found,) = module.main(options).values()
    assert list(found) == ["model", "twin 1e-06", "twin 1e-04", "twin 1e-03", "hold"]
    means = {
        who: [float(error.mean()) for error in errors.values()] for who, errors in found.items()
    }
    assert all(len(each) == 2 and np.isfinite(each).all() for each in means.values())
    # Less noise is nearer, and both are far nearer than what does not move.
    assert means["twin 1e-06"][0] < means["twin 1e-03"][0] < means["hold"][0]


def test_orientations_are_apart_by_the_angle_between_them(benchmark):
    module = benchmark("passive")
    with closing(make_reference("Ant-v5")) as env:
        ant = describe(env)
    true = np.tile(np.array(ant.q0), (1, 1, 1))
    turned = true.copy()
    # Turned by 0.2 about x, with the sign of the quaternion turned too; moved by 5; a joint by 0.8.
    turned[..., 3:7] = -np.array([math.cos(0.1), math.sin(0.1), 0.0, 0.0])
    turned[..., :3] += [3.0, 4.0, 0.0]
    turned[..., 7] += 0.8
    found = module.differences(ant, turned, true)
    assert [float(x.item()) for x in found.values()] == pytest.approx([5.0, 0.2, 0.1])
