"""`make_vec_env` has SB3's arguments: each does what it does there, or says why it cannot."""

import inspect
import pickle

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common import env_util
from stable_baselines3.common.vec_env import SubprocVecEnv

from learned_envs.errors import OutputError, ParameterError
from learned_envs.sb3 import make_vec_env


@pytest.fixture
def make(weights):
    def make(*arguments, env_kwargs=None, **others):
        given = {"checkpoint": weights, **(env_kwargs or {})}
        return make_vec_env("Hopper", *arguments, env_kwargs=given, **others)

    return make


def test_the_arguments_are_sb3_s_in_their_order():
    ours, theirs = (
        [(p.name, p.default) for p in inspect.signature(make).parameters.values()]
        for make in (make_vec_env, env_util.make_vec_env)
    )
    assert ours == theirs


def test_pictures_can_be_drawn_unless_something_else_is_asked(make):
    assert make().render_mode == "rgb_array"
    assert make(env_kwargs={"render_mode": None}).render_mode is None


def test_the_monitor_writes_one_file_and_a_copy_of_it_none(make, tmp_path):
    envs = make(
        2,
        seed=0,
        start_index=4,
        monitor_dir=tmp_path / "logs",
        monitor_kwargs={"info_keywords": ("x_position",), "allow_early_resets": True},
        env_kwargs={"max_episode_steps": 3, "terminate_when_unhealthy": False},
    )
    envs.reset()
    copy = pickle.loads(pickle.dumps(envs))
    for each in (envs, copy):
        for _ in range(3):
            each.step([each.action_space.sample()] * 2)
    envs.close()
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["4.monitor.csv"]
    header, names, *rows = (tmp_path / "logs" / "4.monitor.csv").read_text().splitlines()
    assert header.startswith("#")
    assert names == "r,l,t,x_position"
    assert [row.split(",")[1] for row in rows] == ["3", "3"]


def test_the_action_space_is_seeded_as_sb3_seeds_it(make):
    real = env_util.make_vec_env("Hopper-v5", seed=3, start_index=2)
    ours = make(seed=3, start_index=2)
    assert (ours.action_space.sample() == real.action_space.sample()).all()


def test_what_a_batch_cannot_have_is_said_at_once(weights):
    with pytest.raises(ParameterError) as told:
        make_vec_env(
            "Hopper",
            wrapper_class=gym.wrappers.RescaleObservation,
            env_kwargs={"checkpoint": weights, "tensors": True},
            vec_env_cls=SubprocVecEnv,
            vec_env_kwargs={"start_method": "fork"},
            monitor_kwargs={"override_existing": False},
        )
    for name in ("wrapper_class", "tensors", "SubprocVecEnv", "start_method", "override_existing"):
        assert name in str(told.value)
    with pytest.raises(ParameterError, match="callables"):
        make_vec_env(lambda: gym.make("Hopper-v5"))
    with pytest.raises(ParameterError, match="n_envs=0"):
        make_vec_env("Hopper", 0)
    # Before there were all of SB3's arguments, this was the place of env_kwargs.
    with pytest.raises(ParameterError, match="start_index"):
        make_vec_env("Hopper", 1, 0, {"checkpoint": weights})


def test_a_monitor_that_cannot_be_written_is_named(make, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        make(monitor_dir=tmp_path / "file")


@pytest.mark.parametrize("keywords", ["Hopper", [1], np.zeros(2)])
def test_keywords_that_are_no_dictionary_are_refused(keywords):
    with pytest.raises(ParameterError, match="env_kwargs"):
        make_vec_env("Hopper", env_kwargs=keywords)
    with pytest.raises(ParameterError, match="monitor_kwargs"):
        make_vec_env("Hopper", monitor_kwargs=keywords)


def test_a_place_for_the_monitor_or_a_seed_that_is_none_is_refused(make):
    with pytest.raises(ParameterError, match="monitor_dir"):
        make(monitor_dir=3)
    with pytest.raises(ParameterError, match="seed"):
        make(seed={})
    with pytest.raises(OutputError, match="monitor"):
        make(monitor_dir="\x00")
