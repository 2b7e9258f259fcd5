"""Environments as people write them, traced and compared with what they return."""

import gymnasium as gym
import handling_robots
import numpy as np
import own_robots as robots
import pytest
from retold import retold

from learned_envs.rules.tracing.trace import trace_rules
from learned_envs.systems.slot import Slot

# Actions are float32 in the environments; the rules compute in float64.
FLOAT32 = 1e-6


def check(env, slots=(), names=("observation", "reward", "terminated", "truncated")):
    found = retold(env, slots, steps=150)
    assert set(names) <= set(found.errors)
    assert max(found.errors.values()) <= FLOAT32, found.errors
    return found


def test_things_by_their_names_and_functions_of_math():
    found = check(robots.Named(), names=("info.speed", "ctrl"))
    assert "after.sensor.press" in found.trace.step.inputs
    assert "info.parts.tilt" in found.trace.step.outputs
    assert "info.who" not in found.trace.step.outputs
    assert found.terminated > 3


def slots_of_remembering():
    return [
        Slot("env.last_action", (2,)),
        Slot("env.filtered", ()),
        Slot("env.count", (), "int"),
        Slot("env.goal", (2,), frozen=True),
        *(Slot(f"env.history[{place}]", (2,)) for place in range(3)),
        Slot("env.stats['best']", ()),
        Slot("env.stats['fell']", (), "bool"),
    ]


def test_memory_is_an_input_and_an_output():
    slots = slots_of_remembering()
    found = check(robots.Remembering(), slots)
    outputs = {name for name in found.trace.step.outputs if name.startswith("memory.")}
    assert outputs == {f"memory.{slot.name}" for slot in slots if not slot.frozen}
    read = {name for name in found.trace.step.inputs if name.startswith("memory.")}
    # The oldest of the history is dropped unread.
    assert read == {f"memory.{slot.name}" for slot in slots} - {"memory.env.history[0]"}


def test_memory_in_objects_of_other_classes():
    check(robots.Keeping(), [Slot("env.gait.phase", ())])


def test_a_controller_at_each_solver_step_is_part_of_physics():
    found = retold(robots.Controlled())
    assert max(found.errors[name] for name in ("observation", "reward")) <= FLOAT32
    # The rules tell the first control alone: the others belong to the motion.
    assert found.errors["ctrl"] > 0.1
    assert not any(name.startswith("middle.") for name in found.trace.step.inputs)


def test_arrays_are_filled_and_observations_are_dicts():
    found = check(robots.Assigning(), names=("info.is_success", "reward"))
    assert found.terminated > 3


def test_what_is_written_for_physics_is_an_output():
    found = check(handling_robots.Pushed())
    outputs = found.trace.step.outputs
    assert {"physics.qvel", "physics.xfrc_applied", "ctrl"} <= set(outputs)
    assert "physics.qpos" not in outputs


def test_what_a_reset_draws_of_the_model_is_memory():
    slots = [
        Slot("model.site_pos[0]", (3,), frozen=True),
        Slot("model.body_mass[1]", (), frozen=True),
        Slot("ctrl", (2,)),
    ]
    found = check(handling_robots.Drawn(), slots, names=("reward", "memory.ctrl", "info.nu"))
    assert {"memory.model.site_pos[0]", "memory.model.body_mass[1]"} <= set(found.trace.step.inputs)
    assert isinstance(handling_robots.Drawn.STANCE, np.ndarray)


def test_what_is_computed_anew_is_told_apart():
    trace = trace_rules(reset(handling_robots.Fresh()))
    assert {"after.site_xpos", "fresh.site_xpos"} <= set(trace.step.inputs)


def test_arrays_that_look_into_the_data_are_kept():
    env = handling_robots.Holding()
    trunk = env.trunk
    found = check(env, names=("reward",))
    assert env.trunk is trunk
    assert np.shares_memory(env.speeds, env.data.qvel)
    assert {"before.xpos", "before.qvel", "after.site_xpos"} <= set(found.trace.step.inputs)
    # 150 steps, and none more for the trace.
    assert handling_robots.STEPS_TAKEN == 150


def test_velocities_of_things():
    # Behind mj_forward, what is read in the data is fresh.
    check(handling_robots.Velocities(), names=("reward",))


def test_states_at_which_an_environment_raises_an_error_are_left_out():
    found = check(handling_robots.Raising(), names=("observation",))
    assert found.trace.ways == 1
    assert "The simulation went wrong." in " ".join(found.trace.notes)


def reset(env: gym.Env) -> gym.Env:
    env.reset(seed=0)
    return env


@pytest.mark.parametrize("kind", [robots.Remembering, robots.Keeping, handling_robots.Raising])
def test_an_environment_is_left_as_it_was(kind):
    runs = []
    for traced in (False, True):
        env = reset(kind())
        seen = []
        rng = np.random.default_rng(2)
        for step in range(30):
            if traced and step == 7:
                slots = slots_of_remembering() if kind is robots.Remembering else ()
                trace_rules(env, slots)
            action = rng.uniform(-1, 1, 2).astype(np.float32)
            observation, reward, *_ = env.step(action)
            seen.append([*observation, reward])
            if step == 20:
                env.reset()
        runs.append(np.array(seen))
        assert isinstance(robots.DEFAULT_POSE, np.ndarray)
        assert robots.np is np and "float" not in vars(robots)
    np.testing.assert_array_equal(*runs)
