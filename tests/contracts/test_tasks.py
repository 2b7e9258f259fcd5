"""What every task promises: it is its reference environment, in batched torch.

The real environment is stepped live in float64, and the task is given the true states, and what
its sensors read. What both compute is the same arithmetic: measured, they differ by 7e-15 at
most. 1e-5 is what users are promised.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest
import torch
from grids import WRITTEN
from settled import real, state_of
from torch import Tensor

from learned_envs import registry
from learned_envs.errors import ParameterError
from learned_envs.state import State
from learned_envs.systems.sensor import Sensor
from learned_envs.systems.spec import SystemSpec
from learned_envs.tasks.task import Transition

TOLERANCE = 1e-5
# What changes the solver's model or its picture, and so is no parameter of a task.
NOT_OF_THE_TASK = {
    *("self", "xml_file", "frame_skip", "default_camera_config", "kwargs"),
    *("links", "spring", "friction", "floor"),
}

Spec = Callable[[str], SystemSpec]


def altered(default: Any) -> Any:
    """Return another value of the same kind: a flipped switch, half a weight, a narrower range."""
    if isinstance(default, bool):
        return not default
    if isinstance(default, tuple):
        return tuple(altered(entry) for entry in default)
    return default / 2


def settings() -> Iterator[Any]:
    """Every task with its defaults, with each parameter altered alone, and with all of them."""
    for name in WRITTEN:
        other = {
            field.name: altered(field.default)
            for field in fields(registry.task_class(name))
            if field.name != "spec"
        }
        yield pytest.param(name, {}, id=f"{name}-defaults")
        if len(other) > 1:
            yield pytest.param(name, other, id=f"{name}-all")
        for key, value in other.items():
            yield pytest.param(name, {key: value}, id=f"{name}-{key}")


every_task = pytest.mark.parametrize("name", WRITTEN)
every_setting = pytest.mark.parametrize(("name", "parameters"), list(settings()))


@dataclass
class Recording:
    transition: Transition
    observation: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    info: dict[str, np.ndarray]


def record(env: Any, sensors: Sequence[Sensor], steps: int, episode: int = 40) -> Recording:
    """Step the real environment under random actions from twice the range.

    Episodes run past their termination, so that fallen states are among those compared.
    """
    random = np.random.default_rng(0)
    rows = []
    for index in range(steps):
        if index % episode == 0:
            env.reset(seed=index)
        action = 2 * random.uniform(env.action_space.low, env.action_space.high)
        before = state_of(env)
        observation, reward, terminated, _, info = env.step(action)
        rows.append(
            (before, torch.tensor(action), state_of(env), observation, reward, terminated, info)
        )
    befores, actions, afters, observations, rewards, terminateds, infos = zip(*rows, strict=True)
    state, next_state = stacked(befores), stacked(afters)
    observed = np.array(observations)
    readings = {sensor.name: torch.tensor(observed[:, sensor.columns]) for sensor in sensors}
    return Recording(
        Transition(state, torch.stack(actions), next_state, next_state.q - state.q, readings),
        observed,
        np.array(rewards),
        np.array(terminateds),
        {key: np.array([info[key] for info in infos]) for key in infos[0]},
    )


def stacked(states: tuple[State, ...]) -> State:
    return State(torch.stack([s.q for s in states]), torch.stack([s.v for s in states]))


def assert_infos_equal(ours: Mapping[str, Tensor], theirs: Mapping[str, Any]) -> None:
    assert set(ours) == set(theirs)
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key].numpy(), value, rtol=0, atol=TOLERANCE, err_msg=key)


@every_setting
def test_task_equals_reference(name: str, parameters: dict[str, Any], spec: Spec) -> None:
    task = registry.task_class(name).create(spec(name), parameters)
    env = real(name, **parameters)
    recording = record(env, task.sensors, steps=3000)
    transition = recording.transition
    # Some actions are outside the range, and the reward must count those as they are.
    if spec(name).nu:
        assert (transition.action > torch.tensor(spec(name).control_high)).any()

    ours = {
        "observation": task.observation(transition.next_state, transition.readings),
        "reward": task.reward(transition),
    }
    for what, value in ours.items():
        theirs = getattr(recording, what)
        np.testing.assert_allclose(value.numpy(), theirs, rtol=0, atol=TOLERANCE, err_msg=what)
    terminated = task.terminated(transition.next_state)
    assert terminated.dtype == torch.bool
    np.testing.assert_array_equal(terminated.numpy(), recording.terminated)
    assert_infos_equal(task.info(transition), recording.info)


@every_setting
def test_reset_equals_reference(name: str, parameters: dict[str, Any], spec: Spec) -> None:
    task = registry.task_class(name).create(spec(name), parameters)
    env = real(name, **parameters)
    for seed in range(5):
        observation, info = env.reset(seed=seed)
        ours = task.observation(state_of(env))
        np.testing.assert_allclose(ours.numpy(), observation, rtol=0, atol=TOLERANCE)
        assert_infos_equal(task.reset_info(state_of(env)), info)


@every_setting
def test_spaces_equal_reference(name: str, parameters: dict[str, Any], spec: Spec) -> None:
    task = registry.task_class(name).create(spec(name), parameters)
    env = real(name, **parameters)
    for ours, theirs in (
        (task.action_space, env.action_space),
        (task.observation_space, env.observation_space),
    ):
        # A Box's equality covers shape and dtype exactly, bounds only nearly.
        assert ours == theirs
        np.testing.assert_array_equal(ours.low, theirs.low)
        np.testing.assert_array_equal(ours.high, theirs.high)


@every_task
def test_real_env_moves_by_clamped_actions(name: str) -> None:
    # A fact about MuJoCo that the dynamics build on, therefore exact.
    raw, clamped = real(name), real(name)
    raw.reset(seed=0)
    clamped.reset(seed=0)
    random = np.random.default_rng(0)
    space = raw.action_space
    for _ in range(100):
        action = 3 * random.uniform(space.low, space.high)
        raw.step(action)
        clamped.step(action.clip(space.low, space.high))
        np.testing.assert_array_equal(raw.data.qpos, clamped.data.qpos)
        np.testing.assert_array_equal(raw.data.qvel, clamped.data.qvel)


@every_task
def test_starts_are_distributed_as_the_reference_s(name: str, spec: Spec) -> None:
    count = 4000
    task = registry.task_class(name).create(spec(name), {})
    start = task.initial_state(count, torch.Generator().manual_seed(0), torch.float64)
    ours = torch.cat((start.q, start.v), dim=-1).numpy()
    env = real(name)
    env.reset(seed=0)
    theirs = np.empty_like(ours)
    for row in theirs:
        env.reset()
        row[:] = env.state_vector()
    # Two-sample Kolmogorov-Smirnov, per coordinate: sqrt(-ln(p / 2) / 2) sqrt(2 / count) at
    # p = 1e-6; a noise 20 % too wide or too narrow is above it.
    bound = math.sqrt(-math.log(1e-6 / 2) / 2) * math.sqrt(2 / count)
    for a, b in zip(ours.T, theirs.T, strict=True):
        at = np.concatenate((a, b))
        rank_a = np.searchsorted(np.sort(a), at, side="right") / count
        rank_b = np.searchsorted(np.sort(b), at, side="right") / count
        assert np.abs(rank_a - rank_b).max() < bound


@every_task
def test_starts_are_reproducible(name: str, spec: Spec) -> None:
    task = registry.task_class(name).create(spec(name), {})
    first, again, other = (
        task.initial_state(7, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert first.q.shape == (7, spec(name).nq)
    assert first.v.shape == (7, spec(name).nv)
    assert first.q.dtype == first.v.dtype == torch.float32
    assert torch.equal(first.q, again.q)
    assert torch.equal(first.v, again.v)
    assert not torch.equal(first.q, other.q)
    # Members of a batch start apart from each other.
    assert len(torch.unique(first.q, dim=0)) == 7


@every_task
@pytest.mark.parametrize("batch", [(), (6,), (2, 3)], ids=str)
def test_any_leading_dimensions(name: str, batch: tuple[int, ...], spec: Spec) -> None:
    task = registry.task_class(name).create(spec(name), {})
    flat = task.initial_state(math.prod(batch), torch.Generator().manual_seed(0))
    state = flat.map(lambda tensor: tensor.reshape(*batch, -1))
    action = torch.ones(*batch, spec(name).nu)
    read = {sensor.name: torch.ones(*batch, sensor.size) for sensor in task.sensors}
    transition = Transition(state, action, state, torch.zeros_like(state.v), read)
    for readings in (read, None):
        assert task.observation(state, readings).shape == batch + task.observation_space.shape
    assert task.reward(transition).shape == batch
    assert task.terminated(state).shape == batch
    for value in (*task.info(transition).values(), *task.reset_info(state).values()):
        assert value.shape == batch


@every_task
def test_parameters_are_the_reference_s(name: str, spec: Spec) -> None:
    task = registry.task_class(name).create(spec(name), {})
    theirs = {
        key: parameter.default
        for key, parameter in inspect.signature(type(real(name)).__init__).parameters.items()
        if key not in NOT_OF_THE_TASK
    }
    assert task.parameters == theirs


@every_task
def test_unknown_parameter_is_named_and_so_are_the_known(name: str, spec: Spec) -> None:
    task = registry.task_class(name)
    with pytest.raises(ParameterError, match="frame_skip") as caught:
        task.create(spec(name), {"frame_skip": 2})
    for known in task.create(spec(name), {}).parameters:
        assert known in str(caught.value)
