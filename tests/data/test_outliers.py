"""What is refused before a model is trained on it, and what is real and is not."""

import dataclasses
from pathlib import Path

import mujoco
import numpy as np
import pytest

from learned_envs.collect.collection import collect
from learned_envs.collect.recorder import Recorder
from learned_envs.data.check import check_trainable
from learned_envs.data.outliers import find_outliers
from learned_envs.data.recording import Episode, Recording
from learned_envs.errors import DatasetError
from learned_envs.systems.reference import describe, make_reference
from learned_envs.systems.spec import Joint

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def walker(tmp_path_factory):
    return collect("Walker2d", 1500, tmp_path_factory.mktemp("walker") / "data", workers=1)


def changed(recording, name, row, column, value):
    array = getattr(recording, name).copy()
    array[row, column] = value
    return dataclasses.replace(recording, **{name: array})


def test_what_is_collected_has_none(walker):
    check_trainable(walker.load(), walker.spec, "It")


@pytest.mark.parametrize("name", ["qpos", "qvel"])
@pytest.mark.parametrize("size", [1e3, -1e6, 1e30])
@pytest.mark.parametrize("step", [0, 7, -1])
def test_one_value_is_found_and_named(walker, name, size, step):
    recording = walker.load()
    step = step % int(recording.lengths[3] + 1)
    for column in range(recording.qvel.shape[1]):
        bad = changed(recording, name, recording.offsets[3] + step, column, size)
        with pytest.raises(DatasetError, match="the motion there does not confirm") as caught:
            check_trainable(bad, walker.spec, "My data")
        words = f"My data: {name}[{column}] is {size:.6g} at step {step} of episode 3"
        assert words in str(caught.value)


def test_positions_that_are_shifted_from_a_step_on_are_found(walker):
    recording = walker.load()
    longest = int(recording.lengths.argmax())
    rows = slice(recording.offsets[longest] + 12, recording.offsets[longest] + 17)
    bad = changed(recording, "qpos", rows, 4, recording.qpos[rows, 4] + 500)
    with pytest.raises(DatasetError, match=rf"qpos\[4\] .* of episode {longest}.*5 such values"):
        check_trainable(bad, walker.spec, "It")


def test_a_pendulum_that_is_balanced_and_falls_once_is_real():
    episodes = []
    env = Recorder(make_reference("InvertedPendulum"), "balance", episodes.append)
    spec = describe(env)
    for seed in range(10):
        observation, _ = env.reset(seed=seed)
        for step in range(600):
            push = observation @ [0.3, 5, 0.6, 1.2]
            action = -3.0 if seed == 4 and step > 500 else push
            observation, _, terminated, _, _ = env.step([np.clip(action, -3, 3)])
            if terminated:
                break
    env.close()
    recording = Recording.of(episodes)
    assert recording.terminated.sum() == 1
    distance = np.abs(recording.qvel[:, 1]) / np.abs(recording.qvel[:-100, 1]).mean()
    assert distance.max() > 30
    check_trainable(recording, spec, "It")


def test_a_cube_that_is_tossed_and_comes_to_rest_is_real():
    # Where it lies, its corners sink in and are pushed out by more than it is away from there.
    episodes = []
    env = Recorder(make_reference(str(EXAMPLES / "cube.xml")), "toss", episodes.append)
    for seed in range(20):
        env.reset(seed=seed)
        for _ in range(500):
            env.step(np.empty(0))
    spec = describe(env)
    env.close()
    recording = Recording.of(episodes)
    assert np.median(recording.qpos[:, 2]) < 0.06
    check_trainable(recording, spec, "It")


def test_a_body_that_tumbles_has_none_and_a_wrong_turn_of_it_is_found(spec):
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><freejoint/><geom size='.1 .2 .3' type='box'/></body>"
        "</worldbody></mujoco>"
    )
    data = mujoco.MjData(model)
    data.qvel[:] = 0.3, -0.2, 4, 6, -9, 3
    q, v = [data.qpos.copy()], [data.qvel.copy()]
    for _ in range(300):
        mujoco.mj_step(model, data, 10)
        q.append(data.qpos.copy())
        v.append(data.qvel.copy())
    joint = Joint("root", "free", 0, 0, 0, (0, 0, 1), (0, 0, 0))
    free = dataclasses.replace(
        spec, timestep=model.opt.timestep, frame_skip=10, q0=(0.0,) * 7, joints=(joint,)
    )
    episode = Episode(
        np.array(q), np.array(v), np.array(q), np.zeros((300, 3)), np.zeros(300), False, True, 0, ""
    )
    recording = Recording.of([episode, episode])
    check_trainable(recording, free, "It")
    for column in range(6):
        (outlier,) = find_outliers(changed(recording, "qvel", 50, column, 800.0), free)
        assert (outlier.column, outlier.row) == (f"qvel[{column}]", 50)


@pytest.mark.parametrize(
    ("name", "change", "index"),
    [
        ("qpos", lambda a: a + 1e9, 1),
        ("qpos", lambda a: 1 + 1e-9 * a, 1),
        ("qvel", lambda a: a + 1e9, 0),
        ("qvel", lambda a: a * 1e-50, 0),
    ],
)
def test_what_varies_in_float64_alone_is_named(walker, name, change, index):
    recording = walker.load()
    bad = dataclasses.replace(recording, **{name: change(getattr(recording, name))})
    with pytest.raises(
        DatasetError, match=rf"It: {name}\[{index}\] loses its variation in float32"
    ):
        check_trainable(bad, walker.spec, "It")


@pytest.mark.parametrize("name", ["qpos", "qvel", "observations", "rewards"])
def test_what_float32_cannot_hold_is_not_recorded(dataset, episodes, name):
    array = getattr(episodes[0], name).copy()
    array[2] = 1e39
    with pytest.raises(DatasetError, match=rf"{name} is not finite at row 2: 1e\+39.*float32"):
        dataset.append([dataclasses.replace(episodes[0], **{name: array})])


@pytest.mark.parametrize("size", [1e5, -1e30])
def test_an_observation_out_of_all_proportion_is_named(walker, size):
    bad = changed(walker.load(), "observations", 40, 3, size)
    with pytest.raises(DatasetError, match=r"observations\[3\] is .*out of all proportion"):
        check_trainable(bad, walker.spec, "It")


def test_forces_that_are_rare_and_large_are_real(walker):
    recording = walker.load()
    forces = np.zeros((len(recording.qpos), 2))
    forces[::300] = 900.0
    bad = dataclasses.replace(recording, columns={"forces": forces})
    check_trainable(bad, walker.spec, "It")
    forces[7, 1] = 1e7
    with pytest.raises(DatasetError, match=r"forces\[1\] is 1e\+07"):
        check_trainable(bad, walker.spec, "It")
