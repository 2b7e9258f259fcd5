"""States that are rebuilt of what Minari's own collector recorded, beside the true ones."""

import json
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import NormalizeReward

from learned_envs.cli import main
from learned_envs.data.check import check_trainable
from learned_envs.data.source import open_dataset
from learned_envs.errors import DatasetError, RebuiltDataWarning
from learned_envs.systems.reference import make_reference, spec_of

minari = pytest.importorskip("minari")
pytest.importorskip("h5py")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

MOVING = ["Hopper", "Walker2d", "HalfCheetah", "Swimmer"]
"""Tasks whose observation lacks the place on the ground."""


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "root"))
    return tmp_path / "root"


class WithVelocities(minari.StepDataCallback):
    """Records what infos say of velocities, as some sets do, with zeros at a reset."""

    def __call__(self, env, info, **rest):
        data = super().__call__(env, info=info, **rest)
        names = ("x_velocity", "y_velocity")
        data["info"] = {name: np.array([info.get(name, 0.0)]) for name in names}
        return data


def record(task, name="mujoco/test-v0", steps=150, wrap=None, gentle=0.3, kwargs=None, **settings):
    """Record random actions, and return the true q and v of all states."""
    env = make_reference(task, **(kwargs or {}))
    env = minari.DataCollector(wrap(env) if wrap else env, **settings)
    data, q, v = env.unwrapped.data, [], []
    rng = np.random.default_rng(0)
    taken, episode, ended = 0, 0, True
    while taken < steps:
        if ended:
            env.reset(seed=episode)
            episode += 1
            q.append(data.qpos.copy())
            v.append(data.qvel.copy())
        action = gentle * rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        *_, terminated, truncated, _ = env.step(action)
        ended = terminated or truncated
        taken += 1
        q.append(data.qpos.copy())
        v.append(data.qvel.copy())
    env.create_dataset(name)
    env.close()
    return np.array(q), np.array(v)


def read(task, name="mujoco/test-v0"):
    return open_dataset(name, task, lambda: spec_of(task))


def largest_errors(dataset, q, v):
    """The largest errors of q, counted from each piece's start on the ground, and of v."""
    recording, ground = dataset.load(), [*dataset.spec.cyclic]
    errors = []
    for index in range(len(recording)):
        episode = recording.episode(index)
        (start,) = np.flatnonzero((v == episode.qvel[0]).all(1))
        rows = slice(start, start + len(episode.qpos))
        expected = q[rows].copy()
        expected[:, ground] -= expected[0, ground]
        errors.append(
            [np.abs(expected - episode.qpos).max(0), np.abs(v[rows] - episode.qvel).max()]
        )
    return np.max([q for q, _ in errors], axis=0), max(v for _, v in errors)


@pytest.mark.parametrize("task", MOVING)
def test_states_are_the_true_ones(task):
    q, v = record(task)
    dataset = read(task)
    of_q, of_v = largest_errors(dataset, q, v)
    seen = [i for i in range(dataset.spec.nq) if i not in dataset.spec.cyclic]
    assert not of_q[seen].any()
    assert of_v == 0
    # Rewards add terms of float32. Measured: 3e-9 of a metre, summed over an episode.
    assert of_q.max() < 1e-7
    check_trainable(dataset.load(), dataset.spec, "It")
    (actor,) = dataset.actors
    assert actor.startswith("minari:mujoco/test-v0 (rebuilt")
    ground = {
        "Swimmer": "slider1 moved from the rewards, how far slider2 moved from MuJoCo's steps"
    }
    assert ground.get(task, "rootx moved from the rewards") in dataset.note


@pytest.mark.parametrize("task", MOVING)
def test_what_infos_say_is_read_first(task):
    q, v = record(task, steps=60, step_data_callback=WithVelocities, record_infos=True)
    dataset = read(task)
    of_q, _ = largest_errors(dataset, q, v)
    # Rounding in float64.
    assert of_q.max() < 1e-12
    assert "the infos' x_velocity" in dataset.note
    assert ("the infos' y_velocity" in dataset.note) == (task == "Swimmer")


def test_clipped_velocities_are_left_out_and_episodes_cut_there():
    q, v = record("Walker2d", steps=400, gentle=1.0)
    dataset = read("Walker2d")
    recording = dataset.load()
    clipped = (np.abs(v) >= 10).any(1)
    assert clipped.sum() > 20
    assert np.abs(recording.qvel).max() < 10
    of_q, of_v = largest_errors(dataset, q, v)
    assert of_v == 0
    assert of_q.max() < 1e-7
    inner = ~clipped[:-1] & ~clipped[1:]
    assert recording.steps <= inner.sum()
    left = 400 - recording.steps
    assert f"{left} of 400 steps ({left / 400:.1%}) were left out" in dataset.note
    (actor,) = dataset.actors
    assert actor == f"minari:mujoco/test-v0 (rebuilt; {left} of 400 steps left out)"
    cut = ~recording.terminated
    assert recording.truncated[cut].all()


def test_rewards_and_observations_of_other_parameters_are_understood():
    kwargs = {
        "forward_reward_weight": 2.5,
        "healthy_reward": 0.3,
        "ctrl_cost_weight": 0.2,
        "exclude_current_positions_from_observation": False,
    }
    q, v = record("Hopper", "mujoco/full-v0", steps=120, kwargs=kwargs)
    dataset = read("Hopper", "mujoco/full-v0")
    assert np.array_equal(dataset.load().qpos, q)
    assert np.array_equal(dataset.load().observations, np.hstack([q[:, 1:], v]))
    del kwargs["exclude_current_positions_from_observation"]
    q, v = record("Hopper", steps=120, kwargs=kwargs)
    of_q, _ = largest_errors(read("Hopper"), q, v)
    assert of_q.max() < 1e-7


def test_a_system_without_a_place_on_the_ground_is_all_there():
    q, v = record("InvertedPendulum")
    dataset = read("InvertedPendulum")
    assert np.array_equal(dataset.load().qpos, q)
    assert np.array_equal(dataset.load().qvel, v)
    assert dataset.note == "q and v were rebuilt from the observations."


@pytest.mark.parametrize("task", ["Reacher", "InvertedDoublePendulum"])
def test_functions_of_the_state_are_not_enough(task):
    record(task, steps=10)
    with pytest.raises(DatasetError, match=r"does not hold q\[.*only functions of it"):
        read(task)


def test_wrapped_rewards_are_named():
    record("Hopper", steps=20, wrap=NormalizeReward)
    with pytest.raises(DatasetError, match="recorded through NormalizeReward"):
        read("Hopper")


class Recorder(gym.Wrapper):
    """A wrapper whose name says that it changes nothing."""

    def __init__(self, env, change):
        super().__init__(env)
        self.change = change

    def step(self, action):
        observation, reward, *rest = self.env.step(action)
        return *self.change(observation, reward), *rest


@pytest.mark.parametrize(
    ("task", "change", "words"),
    [
        ("HalfCheetah", lambda o, r: (o, r + 1), "Its rewards are not those of HalfCheetah-v5"),
        ("HalfCheetah", lambda o, r: (o, 0 * r), "rootx would have moved"),
        ("HalfCheetah", lambda o, r: (o * np.repeat([1, 3], [8, 9]), r), "times as far as"),
        ("Swimmer", lambda o, r: (o[[0, 2, 1, *range(3, 8)]], r), "goes elsewhere"),
    ],
)
def test_what_wrappers_do_is_found_where_they_do_not_say_it(task, change, words):
    record(task, wrap=lambda env: Recorder(env, change))
    with pytest.raises(DatasetError, match=words):
        read(task)


def test_another_size_is_named(root):
    record("Hopper", steps=20)
    file = root / "mujoco" / "test-v0" / "data" / "metadata.json"
    metadata = json.loads(file.read_text())
    env_spec = json.loads(metadata["env_spec"])
    env_spec["kwargs"] = {"exclude_current_positions_from_observation": False}
    file.write_text(json.dumps(metadata | {"env_spec": json.dumps(env_spec)}))
    with pytest.raises(DatasetError, match=r"11\).* expected .*12\)"):
        read("Hopper")
    env_spec["kwargs"] = {"gravity": 3.0}
    file.write_text(json.dumps(metadata | {"env_spec": json.dumps(env_spec)}))
    with pytest.raises(DatasetError, match=r"another gravity .*gravity=3\.0"):
        read("Hopper")


def test_the_command_line_says_it_in_a_line(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record("InvertedPendulum", steps=40)
    words = ["evaluate", "InvertedPendulum", "--data", "mujoco/test-v0", "--trajectories", "10"]
    with warnings.catch_warnings():
        warnings.simplefilter("always", RebuiltDataWarning)
        assert main(words) == 0
    lines = capsys.readouterr().err.splitlines()
    said = "mujoco/test-v0: q and v were rebuilt from the observations."
    assert f"learned-envs: warning: {said}" in lines
