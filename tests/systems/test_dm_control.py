"""Tasks of dm_control's suite, as environments, are what the suite itself runs."""

import logging
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("dm_control", reason="needs dm_control: pip install '.[dm-control]'")

from dm_control import suite
from gymnasium.utils.env_checker import check_env
from marks import needs_gl

from learned_envs.systems import dm_control
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.hosting import Hosting, Moved
from learned_envs.systems.picture import Drawing, self_contained_mjcf

logging.getLogger("absl").setLevel(logging.ERROR)

TASKS = ["cartpole-swingup", "cheetah-run", "walker-walk", "quadruped-walk", "finger-spin"]


@pytest.mark.filterwarnings("ignore:.*Box observation space")
@pytest.mark.parametrize("name", TASKS)
def test_gymnasium_finds_nothing_wrong(name: str) -> None:
    with closing(gym.make(f"DmControl/{name}-v0")) as env:
        check_env(env.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("name", TASKS)
def test_an_episode_is_the_suites(name: str) -> None:
    env, real = gym.make(f"DmControl/{name}-v0"), suite.load(*name.split("-"))
    with closing(env):
        seen, _ = env.reset(seed=7)
        # The suite's generator at its first draw is the environment's.
        seed = gym.utils.seeding.np_random(7)[0].integers(2**32)
        real.task._random = np.random.RandomState(seed)
        assert_same(seen, real.reset().observation)
        env.action_space.seed(0)
        for step in range(1, dm_control.LIMIT + 1):
            action = env.action_space.sample()
            seen, reward, terminated, truncated, _ = env.step(action)
            moment = real.step(action)
            assert_same(seen, moment.observation)
            assert reward == moment.reward
            assert not terminated
            assert truncated == moment.last() == (step == dm_control.LIMIT)


@pytest.mark.parametrize("name", TASKS)
def test_it_is_asked_as_any_other(name: str) -> None:
    with closing(gym.make(f"DmControl/{name}-v0")) as env:
        adapter = Adapter(env)
        base: Any = env.unwrapped
        assert adapter.data is base.physics.data.ptr
        assert adapter.solver_steps == base.frame_skip


def test_a_model_can_move_it() -> None:
    """Its steps come in halves, so that derived quantities are not behind."""
    with closing(gym.make("DmControl/walker-walk-v0")) as env:
        base: Any = env.unwrapped
        seen, _ = env.reset(seed=0)
        q, v = base.data.qpos + 0.1, np.full(base.model.nv, 0.2)
        with Hosting(base.model, base.data, base.frame_skip, lambda m, d: Moved(q, v)):
            seen, *_ = env.step(env.action_space.sample())
        np.testing.assert_array_equal(seen["velocity"], v)
        np.testing.assert_array_equal(base.data.qpos, q)
        assert seen["height"] == base.data.body("torso").xpos[2]


def test_what_a_task_takes_can_be_given() -> None:
    env = gym.make("DmControl/cartpole-swingup-v0", task_kwargs={"time_limit": 5})
    with closing(env):
        env.reset(seed=0)
        assert env.unwrapped.metadata["render_fps"] == 100


def assert_same(ours: dict[str, Any], theirs: Any) -> None:
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value)


@needs_gl
@pytest.mark.parametrize("name", TASKS)
def test_its_pictures_need_no_suite(name: str) -> None:
    size = {"width": 160, "height": 120}
    with closing(gym.make(f"DmControl/{name}-v0", render_mode="rgb_array", **size)) as env:
        text = self_contained_mjcf(env)
        assert text is not None
        env.reset(seed=0)
        base: Any = env.unwrapped
        drawing = Drawing(text, (), "rgb_array", size)
        drawing.set_state(base.data.qpos, base.data.qvel)
        ours, theirs = drawing.render(), env.render()
        drawing.close()
    assert (np.abs(ours.astype(int) - theirs) > 4).mean() < 1e-3
