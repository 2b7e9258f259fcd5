import re

import gymnasium as gym
import mujoco
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from learned_envs.codegen.numpy_code import NumpyFunction
from learned_envs.errors import ParameterError
from learned_envs.kinematics.activation import Activation
from learned_envs.kinematics.derived import Derived
from learned_envs.systems.describe_equipment import describe_equipment
from learned_envs.systems.reference import describe
from learned_envs.systems.spec import SystemSpec

STEPS = 5

XML = """
<mujoco>
  <option integrator="{integrator}" timestep="0.004" {option}>{flags}</option>
  <worldbody>
    <body><joint name="a" axis="0 1 0"/><geom size=".1" pos=".2 0 0"/></body>
    <body pos="1 0 0"><joint name="b" axis="0 1 0"/><geom size=".1" pos=".2 0 0"/></body>
  </worldbody>
  <actuator>
    <motor joint="a"/>
    <general joint="a" dyntype="integrator" ctrllimited="true" ctrlrange="-.5 .5"/>
    <general joint="a" dyntype="integrator" actlimited="true" actrange="-.1 .2"/>
    <general joint="b" dyntype="filter" dynprm=".02" ctrllimited="true" ctrlrange="-.5 .5"/>
    <general joint="b" dyntype="filterexact" dynprm=".01"/>
    <motor joint="b"/>
    <general joint="b" dyntype="filterexact" dynprm=".03" actlimited="true" actrange="0 .5"
      actearly="true"/>
    <muscle joint="a" ctrllimited="true" ctrlrange="0 1" lengthrange="-1 1"/>
    <muscle joint="b" lengthrange="-1 1" tausmooth=".3"/>
    <general joint="b" group="3" dyntype="filter" dynprm=".02"/>
  </actuator>
</mujoco>
"""


def system(integrator: str = "Euler", option: str = "", flags: str = "", frame_skip: int = STEPS):
    model = mujoco.MjModel.from_xml_string(
        XML.format(integrator=integrator, option=option, flags=flags)
    )
    return model, spec_of(model, frame_skip)


def spec_of(model: mujoco.MjModel, steps: int) -> SystemSpec:
    class Inline(gym.Env):
        spec = gym.spec("Hopper-v5")
        frame_skip = steps

    env = Inline()
    env.model, env.action_space = model, Box(-1, 1, (model.nu,))
    return describe(env)


def real(model: mujoco.MjModel, act: torch.Tensor, ctrl: torch.Tensor) -> np.ndarray:
    rows = []
    for index in range(len(act)):
        data = mujoco.MjData(model)
        data.act[:], data.ctrl[:] = act[index], ctrl[index]
        mujoco.mj_step(model, data, STEPS)
        rows.append(data.act.copy())
    return np.array(rows)


def drawn(model: mujoco.MjModel, count: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    act = torch.rand(count, model.na, generator=generator, dtype=torch.float64)
    ctrl = 1.5 * torch.randn(count, model.nu, generator=generator, dtype=torch.float64)
    return act, ctrl


@pytest.mark.parametrize("integrator", ["Euler", "implicit", "implicitfast", "RK4"])
@pytest.mark.parametrize(
    ("option", "flags"),
    [
        ("", ""),
        ('actuatorgroupdisable="3"', ""),
        ("", '<flag clampctrl="disable"/>'),
        ("", '<flag actuation="disable"/>'),
    ],
)
def test_activations_are_mujocos(integrator, option, flags):
    model, spec = system(integrator, option, flags)
    act, ctrl = drawn(model)
    ours = Activation(spec, describe_equipment(model).needed_for(["act"]))(act, ctrl)
    # Float64 rounding.
    np.testing.assert_allclose(ours, real(model, act, ctrl), rtol=0, atol=1e-13)


@pytest.mark.parametrize("integrator", ["Euler", "RK4"])
@pytest.mark.parametrize("muscles", [True, False])
def test_without_muscles_all_steps_are_taken_at_once(integrator, muscles):
    xml = re.sub("<muscle[^>]*>", "", XML) if not muscles else XML
    model = mujoco.MjModel.from_xml_string(xml.format(integrator=integrator, option="", flags=""))
    act, ctrl = drawn(model)
    # Also from beyond the limits, where no step of MuJoCo's leads.
    act = 3 * act - 1
    ours = Activation(spec_of(model, STEPS), describe_equipment(model))(act, ctrl)
    # Float64 rounding.
    np.testing.assert_allclose(ours, real(model, act, ctrl), rtol=0, atol=1e-13)


def test_any_leading_dimensions_types_and_counts_of_steps():
    model, spec = system()
    act, ctrl = drawn(model, 6)
    activation = Activation(spec, describe_equipment(model))
    flat = activation(act, ctrl)
    deep = activation(act.reshape(2, 3, -1), ctrl.reshape(2, 3, -1))
    assert torch.equal(deep.reshape(6, -1), flat)
    # Float64 rounding.
    pieces = activation(activation(act, ctrl, 2), ctrl, STEPS - 2)
    torch.testing.assert_close(pieces, flat, rtol=0, atol=1e-13)
    # Some roundings of float32.
    torch.testing.assert_close(
        activation(act.float(), ctrl.float()), flat.float(), rtol=0, atol=1e-6
    )


def test_code_can_be_made_of_it():
    model, spec = system("RK4")
    act, ctrl = (tensor.float() for tensor in drawn(model, 1))
    activation = Activation(spec, describe_equipment(model))
    program = NumpyFunction(lambda *given: [activation(*given)], [act, ctrl])
    (found,) = program.run(act[0].numpy(), ctrl[0].numpy())
    # Some roundings of float32.
    np.testing.assert_allclose(found, activation(act, ctrl)[0], rtol=0, atol=1e-6)


def test_forces_after_a_step_are_of_the_activations_a_step_of_the_solver_before():
    model, spec = system()
    equipment = describe_equipment(model)
    act, ctrl = drawn(model, 1)
    data = mujoco.MjData(model)
    data.act[:], data.ctrl[:] = act[0], ctrl[0]
    mujoco.mj_step(model, data, STEPS)
    at = torch.zeros(1, model.nq).double()
    earlier = Activation(spec, equipment)(act, ctrl, STEPS - 1)
    forces = Derived(spec, equipment, ["actuator_force"])(at, at, ctrl, earlier)
    # Muscles' forces depend on where the joints are.
    others = [index for index, each in enumerate(equipment.actuators) if each.gain == "fixed"]
    ours = forces["actuator_force"][0, others]
    # Float64 rounding.
    np.testing.assert_allclose(ours, data.actuator_force[others], rtol=0, atol=1e-13)


def test_gradients_are_finite():
    model, spec = system()
    act, ctrl = (tensor.requires_grad_() for tensor in drawn(model, 3))
    Activation(spec, describe_equipment(model))(act, ctrl).sum().backward()
    assert act.grad.isfinite().all()
    assert ctrl.grad.isfinite().all()


def test_rules_of_their_own_are_named():
    model = mujoco.MjModel.from_xml_string(
        XML.format(integrator="Euler", option="", flags="").replace(
            '<general joint="b" dyntype="filterexact" dynprm=".01"/>',
            '<general name="own" joint="b" dyntype="user" actdim="1"/>',
        )
    )
    with pytest.raises(ParameterError, match="'own'"):
        Activation(spec_of(model, STEPS), describe_equipment(model))
