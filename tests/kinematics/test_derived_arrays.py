import re
from pathlib import Path

import gymnasium as gym
import mujoco
import numpy as np
import pytest
import torch
from marks import needs_compiler
from mechanisms import SHAPES_XML, load, spec_of, states
from mounted import ACTUATORS as MOTORS
from mounted import SENSORS, array, differences, everything, system, tendons

from learned_envs.codegen.cpp import CppBatch
from learned_envs.codegen.numpy_code import NumpyFunction
from learned_envs.errors import ParameterError
from learned_envs.kinematics.computable import OF_BODIES, computable
from learned_envs.kinematics.derived import Derived
from learned_envs.systems.describe_equipment import describe_equipment

IDS = [
    *("Ant-v5", "HalfCheetah-v5", "Hopper-v5", "Humanoid-v5", "HumanoidStandup-v5"),
    *("InvertedDoublePendulum-v5", "InvertedPendulum-v5", "Pusher-v5", "Reacher-v5"),
    *("Swimmer-v5", "Walker2d-v5"),
]

GO1 = Path(__file__).parents[2] / "examples" / "unitree_go1" / "go1.xml"

ACTUATORS = ("actuator_length", "actuator_velocity", "actuator_force", "qfrc_actuator")

# A thousand roundings of float64 in numbers of size 10. Measured over all systems: 3e-14.
ROUNDING = 1e-12


def there(names, model):
    """Leave out arrays that older versions of MuJoCo do not have."""
    return [name for name in names if hasattr(mujoco.MjData(model), name)]


@pytest.mark.parametrize("name", IDS)
def test_arrays_are_mujocos(name):
    model, spec = load(name)
    found = differences(model, spec, there((*OF_BODIES, *ACTUATORS), model))
    assert max(found.values()) < ROUNDING, found


def test_arrays_are_mujocos_with_joints_of_every_kind_in_any_order():
    for model in (mujoco.MjModel.from_xml_string(SHAPES_XML), system()):
        found = differences(model, spec_of(model), there(OF_BODIES, model))
        assert max(found.values()) < ROUNDING, found


def test_arrays_and_sensors_of_a_quadruped_are_mujocos():
    model = mujoco.MjModel.from_xml_path(str(GO1))
    equipment = describe_equipment(model)
    sensors = [f"sensor.{model.sensor(index).name}" for index in range(model.nsensor)]
    names = [name for name in sensors if computable(name, equipment)]
    assert {"sensor.imu_ang_vel", "sensor.imu_lin_vel"} <= {*names}
    assert "sensor.imu_lin_acc" not in names
    found = differences(model, spec_of(model), [*names, *there((*OF_BODIES, *ACTUATORS), model)])
    assert max(found.values()) < ROUNDING, found


def test_tendons_actuators_and_sensors_are_mujocos():
    model = everything()
    sensors = [f"sensor.{model.sensor(i).name or i}" for i in range(model.nsensor)]
    names = ("ten_length", "ten_velocity", *ACTUATORS, *sensors, "sensordata")
    found = differences(model, spec_of(model), names)
    assert max(found.values()) < ROUNDING, found


def test_single_sensors_need_a_part_of_the_equipment():
    model = everything()
    for name in ("sensor.clipped", "sensor.torque"):
        assert max(differences(model, spec_of(model), [name]).values()) < ROUNDING


@pytest.mark.parametrize("flag", ["clampctrl", "actuation"])
def test_disabled_parts_of_the_actuation_are_off(flag):
    model = everything(f'<option><flag {flag}="disable"/></option>')
    forces = ("actuator_force", "qfrc_actuator")
    assert max(differences(model, spec_of(model), forces).values()) < ROUNDING


def test_disabled_groups_of_actuators_do_nothing():
    model = everything('<option actuatorgroupdisable="0"/>')
    assert max(differences(model, spec_of(model), ACTUATORS).values()) < ROUNDING


def test_any_leading_dimensions_and_types():
    model, spec = load("Ant-v5")
    names = (*OF_BODIES, *ACTUATORS)
    derived = Derived(spec, describe_equipment(model), names)
    q, v = states(model, 6)
    ctrl = torch.ones(6, model.nu).double()
    flat = derived(q, v, ctrl)
    deep = derived(q.reshape(2, 3, -1), v.reshape(2, 3, -1), ctrl.reshape(2, 3, -1))
    one = derived(q[0], v[0], ctrl[0])
    single = derived(q.float(), v.float(), ctrl.float())
    for name in names:
        shape = flat[name].shape[1:]
        torch.testing.assert_close(deep[name], flat[name].reshape(2, 3, *shape), rtol=0, atol=1e-13)
        torch.testing.assert_close(one[name], flat[name][0], rtol=0, atol=1e-13)
        assert single[name].dtype == torch.float32
        # 6e-8 relative in numbers of size 10, some ten roundings in a row. Measured: 2e-6.
        torch.testing.assert_close(single[name].double(), flat[name], rtol=1e-5, atol=1e-5)


def test_rows_that_are_not_asked_for_are_nan():
    model, spec = load("Reacher-v5")
    asked = {"xpos": (3,), "cvel": (2,)}
    derived = Derived(spec, describe_equipment(model).needed_for(asked), asked)
    full = Derived(spec, describe_equipment(model), ["xpos", "cvel"])
    q, v = states(model, 3)
    some, all_ = derived(q, v), full(q, v)
    for name, (row,) in asked.items():
        torch.testing.assert_close(some[name][:, row], all_[name][:, row], rtol=0, atol=1e-15)
    assert some["xpos"][:, [0, 1, 2, 4]].isnan().all()
    assert some["cvel"][:, [1, 3, 4]].isnan().all()
    assert not some["cvel"][:, 0].any()


def test_gradients_are_those_of_finite_differences():
    model = everything()
    names = ("xquat", "cinert", "cvel", "ten_velocity", "sensordata")
    derived = Derived(spec_of(model), describe_equipment(model), names)
    q, v = (tensor.requires_grad_() for tensor in states(model, 1))
    ctrl = torch.full((1, model.nu), 0.2, dtype=torch.float64, requires_grad=True)
    act = torch.full((1, model.na), 0.3, dtype=torch.float64, requires_grad=True)

    def arrays(*state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(derived(*state).values())

    # gradcheck's own default bounds, for central differences in float64.
    assert torch.autograd.gradcheck(arrays, (q, v, ctrl, act), fast_mode=True)


def test_code_can_be_made_of_everything():
    model = system(tendons(), MOTORS, SENSORS)
    names = (*OF_BODIES, *ACTUATORS, "ten_length", "ten_velocity", "sensordata")
    derived = Derived(spec_of(model), describe_equipment(model), names)
    q, v = (tensor.float() for tensor in states(model, 1))
    state = q, v, torch.full((1, model.nu), 0.2), torch.full((1, model.na), 0.3)
    program = NumpyFunction(lambda *state: list(derived(*state).values()), state)
    found = program.run(*(part.numpy()[0] for part in state))
    for result, expected in zip(found, derived(*state).values(), strict=True):
        # Some hundred roundings of float32 on numbers of size 10.
        expected = expected.numpy().reshape(result.shape)
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


@needs_compiler
def test_compiled_code_gives_the_same():
    model, spec = load("Ant-v5")
    asked = {"xpos": (2,), "cvel": None, "cinert": None, "qfrc_actuator": None}
    derived = Derived(spec, describe_equipment(model).needed_for(asked), asked)

    def arrays(*state: torch.Tensor) -> list[torch.Tensor]:
        return list(derived(*state).values())

    q, v = (tensor.float() for tensor in states(model, 40))
    state = q, v, torch.linspace(-1, 1, 40 * model.nu).reshape(40, -1)
    program = CppBatch([arrays], [part[:1] for part in state])
    for ours, theirs in zip(program.run(state), arrays(*state), strict=True):
        # Some hundred roundings of float32 on numbers of size 10.
        close = {"rtol": 1e-4, "atol": 1e-4, "equal_nan": True}
        torch.testing.assert_close(ours.reshape(theirs.shape), theirs, **close)


def test_poses_given_from_outside_are_leaves():
    model = system()
    names = ("xpos", "xquat", "geom_xpos", "site_xmat", "cinert")
    derived = Derived(spec_of(model), describe_equipment(model), names, ("mocap_pos", "mocap_quat"))
    q, v = states(model, 1)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = q[0], v[0]
    data.mocap_pos[:], data.mocap_quat[:] = (0.3, 0.2, 0.1), (0.1, 0.4, -0.2, 0.5)
    mujoco.mj_forward(model, data)
    leaves = {
        name: torch.tensor(getattr(data, name)).reshape(1, -1)
        for name in ("mocap_pos", "mocap_quat")
    }
    ours = derived(q, v, leaves=leaves)
    for name in names:
        np.testing.assert_allclose(ours[name][0], array(data, name), rtol=0, atol=ROUNDING)


def test_constants_that_resets_draw_are_leaves():
    model = system()
    drawn = {
        **{"body_pos": 3, "body_quat": 1, "body_ipos": 2, "body_mass": 1, "body_inertia": 4},
        **{"geom_pos": 2, "geom_quat": 3, "site_pos": slice(1, 4), "site_quat": 4},
    }
    names = there(OF_BODIES, model)
    leaves = [
        f"model.{name}[{row.start}:{row.stop}]"
        if isinstance(row, slice)
        else f"model.{name}[{row}]"
        for name, row in drawn.items()
    ]
    whole = "model.body_subtreemass"
    derived = Derived(spec_of(model), describe_equipment(model), names, [*leaves, whole])
    q, v = states(model, 2)
    data, random = mujoco.MjData(model), np.random.default_rng(3)
    given = {leaf: [] for leaf in (*leaves, whole)}
    expected = []
    for index in range(2):
        for (name, row), leaf in zip(drawn.items(), leaves, strict=True):
            constant = getattr(model, name)
            constant[row] = random.uniform(0.1, 1, size=constant[row].shape)
            if name.endswith("quat"):
                constant[row] /= np.linalg.norm(constant[row])
            given[leaf].append(np.ravel(constant[row]).copy())
        model.body_subtreemass[:] = model.body_mass
        for body in range(model.nbody - 1, 0, -1):
            model.body_subtreemass[model.body_parentid[body]] += model.body_subtreemass[body]
        given[whole].append(model.body_subtreemass.copy())
        # Where a frame coincides with its body's, MuJoCo takes the body's.
        for kind in ("body", "geom", "site"):
            getattr(model, f"{kind}_sameframe")[:] = 0
        data.qpos[:], data.qvel[:] = q[index], v[index]
        mujoco.mj_forward(model, data)
        expected.append({name: array(data, name).copy() for name in names})
    ours = derived(q, v, leaves={leaf: torch.tensor(np.array(x)) for leaf, x in given.items()})
    for name in names:
        for index in range(2):
            np.testing.assert_allclose(
                ours[name][index], expected[index][name], rtol=1e-12, atol=ROUNDING, err_msg=name
            )


@pytest.mark.parametrize(
    ("leaf", "name"),
    [
        ("model.jnt_axis[2]", "xpos"),
        ("model.qpos0", "cvel"),
        ("model.wrap_prm[0]", "ten_length"),
        ("model.actuator_gear[1]", "actuator_length"),
        ("model.actuator_gainprm[0]", "qfrc_actuator"),
        ("model.opt.magnetic", "sensordata"),
    ],
)
def test_constants_that_must_be_constant_are_named(leaf, name):
    model = everything()
    with pytest.raises(ParameterError, match=re.escape(leaf)):
        Derived(spec_of(model), describe_equipment(model), [name], [leaf])


def test_names_of_drawn_constants_that_mean_nothing_are_refused():
    model, spec = load("Ant-v5")
    with pytest.raises(ParameterError, match="body_pos"):
        Derived(spec, describe_equipment(model), ["xpos"], ["model.body_pos[2, 1]"])


def test_constants_that_nothing_depends_on_may_be_drawn():
    model = everything()
    leaves = ["model.actuator_gear[1]", "model.geom_friction[2]", "model.opt.gravity"]
    derived = Derived(spec_of(model), describe_equipment(model), ["xpos"], leaves)
    assert derived(*states(model, 1))["xpos"].isfinite().all()


def test_what_the_solver_makes_is_not_computable():
    model, spec = load("Ant-v5")
    equipment = describe_equipment(model)
    for name in ("cfrc_ext", "qfrc_constraint", "qacc", "sensor.none", "time"):
        assert not computable(name, equipment)
        with pytest.raises(ParameterError, match="learned"):
            Derived(spec, equipment, [name])


def test_accelerometers_and_tendons_around_shapes_are_not_computable():
    model = system(
        """
        <tendon><spatial name="bent"><site site="a"/><geom geom="tip"/><site site="d"/></spatial>
        </tendon>
        <actuator><motor tendon="bent"/></actuator>
        <sensor><accelerometer name="imu" site="a"/><gyro name="gyro" site="a"/></sensor>
        """
    )
    equipment = describe_equipment(model)
    assert computable("sensor.gyro", equipment)
    for name in ("sensor.imu", "sensordata", "ten_length", "actuator_length", "qfrc_actuator"):
        assert not computable(name, equipment)


def test_forces_say_that_they_need_controls():
    model, spec = load("Ant-v5")
    derived = Derived(spec, describe_equipment(model), ["actuator_force"])
    with pytest.raises(ParameterError, match="ctrl"):
        derived(*states(model, 1))


def test_a_spec_without_masses_says_so():
    env = gym.make("Hopper-v5")
    _, spec = load("Hopper-v5")
    plain = spec.to_dict()
    for body in plain["bodies"]:
        body["mass"] = None
    with pytest.raises(ParameterError, match="fit the model anew"):
        Derived(spec.from_dict(plain), describe_equipment(env.unwrapped.model), ["subtree_com"])
