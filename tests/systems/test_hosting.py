"""An environment's own step() runs on data that a model moves.

The model here is MuJoCo itself, on data of its own: what differs from the real environment is then
hosting's doing.
"""

import threading
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from oracle import Oracle
from traits import TraitEnv, mjcf

from learned_envs.errors import SystemSpecError
from learned_envs.systems.hosting import Hosting
from learned_envs.systems.reference import deprecations_swallowed

EXACT = 1e-12
"""Rounding of 100 steps; 3e-13 was measured at most."""

MADE = ("cfrc_ext", "cinert", "cvel", "qfrc_actuator", "qfrc_constraint", "xpos", "xipos")
"""What observations and rewards of Ant and Humanoid read, and the solver's last stage makes."""


def errors(name: str, told: Sequence[str] = (), steps: int = 100) -> dict[str, Any]:
    """Step an environment by MuJoCo and hosted; return the largest difference in each result."""
    with deprecations_swallowed():
        real, hosted = gym.make(name), gym.make(name)
    a: Any = real.unwrapped
    b: Any = hosted.unwrapped
    with closing(real), closing(hosted):
        first, _ = a.reset(seed=0)
        b.reset(seed=0)
        a.action_space.seed(0)
        oracle = Oracle(b.data, b.model, told)
        worst: dict[str, Any] = {"observation": np.zeros_like(first), "reward": 0.0, "ended": 0}
        for step in range(steps):
            action = a.action_space.sample()
            seen, paid, ended, _, info = a.step(action)
            with Hosting(b.model, b.data, b.frame_skip, oracle(b.frame_skip)):
                also, earned, over, _, told_too = b.step(action)
            worst["observation"] = np.maximum(worst["observation"], abs(seen - also))
            worst["reward"] = max(worst["reward"], abs(paid - earned))
            worst["ended"] += ended != over
            assert info.keys() == told_too.keys()
            if ended:
                a.reset(seed=step)
                b.reset(seed=step)
                oracle.follow(b.data)
    return worst


@pytest.mark.parametrize(
    "name", ["Hopper", "HalfCheetah", "Walker2d", "Swimmer", "InvertedPendulum"]
)
def test_what_follows_from_q_and_v_is_exact(name: str) -> None:
    worst = errors(f"{name}-v5")
    assert worst["observation"].max() < EXACT
    assert worst["reward"] < EXACT
    assert not worst["ended"]


@pytest.mark.parametrize("name", ["Ant", "Humanoid"])
def test_what_a_model_says_of_the_solver_is_taken(name: str) -> None:
    worst = errors(f"{name}-v5", told=MADE)
    assert worst["observation"].max() < EXACT
    assert worst["reward"] < EXACT
    assert not worst["ended"]


def test_what_mujoco_makes_of_a_prediction_is_near_what_it_made(monkeypatch: Any) -> None:
    """Derived quantities lie one solver step back: positions exactly, velocities nearly."""
    monkeypatch.setattr(OneLink, "integrator", "Euler")
    real, hosted, oracle = pair()
    for _ in range(50):
        real.step(np.ones(1))
        with Hosting(hosted.model, hosted.data, 4, oracle(4)):
            hosted.step(np.ones(1))
        np.testing.assert_allclose(hosted.data.xipos, real.data.xipos, rtol=0, atol=EXACT)
        # 9e-4 was measured, of speeds up to 0.4.
        np.testing.assert_allclose(hosted.data.cvel, real.data.cvel, rtol=0, atol=2e-3)
        assert hosted.data.time == real.data.time


class OneLink(TraitEnv):
    """A link on a hinge; subclasses take their solver steps in other ways."""

    integrator = "implicitfast"

    def __init__(self) -> None:
        actuator = '<general name="m" joint="j" dyntype="filter" dynprm=".1"/>'
        xml = mjcf(actuator=actuator).replace("implicitfast", self.integrator)
        super().__init__(xml)
        self.path: list[float] = []

    def step(self, action: Any) -> Any:
        self.data.ctrl[:] = action
        self.path = []
        self.physics()
        return self._get_obs(), 0.0, False, False, {}

    def physics(self) -> None:
        mujoco.mj_step(self.model, self.data, nstep=self.frame_skip)


class OneByOne(OneLink):
    def physics(self) -> None:
        for _ in range(self.frame_skip):
            mujoco.mj_step(self.model, self.data)
            self.path.append(float(self.data.qpos[0]))


class InHalves(OneLink):
    def physics(self) -> None:
        for _ in range(self.frame_skip):
            mujoco.mj_step1(self.model, self.data)
            mujoco.mj_step2(self.model, self.data)


class TooMany(OneLink):
    def physics(self) -> None:
        mujoco.mj_step(self.model, self.data, self.frame_skip + 1)


class ByAnotherName(OneLink):
    mj_step = staticmethod(mujoco.mj_step)

    def physics(self) -> None:
        self.mj_step(self.model, self.data, self.frame_skip)


class Broken(OneLink):
    def physics(self) -> None:
        mujoco.mj_step(self.model, self.data, self.frame_skip)
        raise KeyError("a bug of the environment's")


def pair(cls: type[OneLink] = OneLink) -> tuple[Any, Any, Oracle]:
    """Return two environments at one place, and what can move the second."""
    real, hosted = cls(), cls()
    real.reset(seed=0)
    hosted.reset(seed=0)
    return real, hosted, Oracle(hosted.data, hosted.model, ())


@pytest.mark.parametrize("cls", [OneLink, OneByOne, InHalves])
def test_however_the_solver_steps_are_taken_the_end_is_exact(cls: type[OneLink]) -> None:
    real, hosted, oracle = pair(cls)
    for _ in range(20):
        real.step(np.ones(1))
        with Hosting(hosted.model, hosted.data, 4, oracle(4)):
            hosted.step(np.ones(1))
        for name in ("qpos", "qvel", "act", "time"):
            own, other = getattr(hosted.data, name), getattr(real.data, name)
            np.testing.assert_allclose(own, other, rtol=0, atol=EXACT)


def test_between_calls_the_system_is_on_the_line_to_the_end() -> None:
    _, hosted, oracle = pair(OneByOne)
    start = float(hosted.data.qpos[0])
    with Hosting(hosted.model, hosted.data, 4, oracle(4)):
        hosted.step(np.ones(1))
    np.testing.assert_allclose(np.diff([start, *hosted.path], 2), 0, atol=EXACT)


def test_a_model_that_knows_nothing_leaves_the_system_where_it_is() -> None:
    _, hosted, _ = pair()
    before = hosted.state_vector()
    with Hosting(hosted.model, hosted.data, 4, lambda model, data: None):
        hosted.step(np.ones(1))
    np.testing.assert_array_equal(hosted.state_vector(), before)


@pytest.mark.parametrize(("cls", "took"), [(TooMany, 5), (ByAnotherName, 0)])
def test_steps_that_cannot_be_hosted_are_refused(cls: type[OneLink], took: int) -> None:
    _, hosted, oracle = pair(cls)
    with (
        pytest.raises(SystemSpecError, match=f"took {took} solver steps .* expected 4"),
        Hosting(hosted.model, hosted.data, 4, oracle(4)),
    ):
        hosted.step(np.ones(1))


def test_mujoco_is_itself_again_afterwards_whatever_happened() -> None:
    before = mujoco.mj_step, mujoco.mj_step2, mujoco.mj_rnePostConstraint
    _, hosted, oracle = pair(Broken)
    with pytest.raises(KeyError), Hosting(hosted.model, hosted.data, 4, oracle(4)):
        hosted.step(np.ones(1))
    assert (mujoco.mj_step, mujoco.mj_step2, mujoco.mj_rnePostConstraint) == before


def test_other_threads_step_other_data_as_always() -> None:
    before = mujoco.mj_step
    results: list[float] = []

    def run(hosting: bool) -> None:
        real, hosted, oracle = pair()
        for _ in range(300):
            real.step(np.ones(1))
            if hosting:
                with Hosting(hosted.model, hosted.data, 4, oracle(4)):
                    hosted.step(np.ones(1))
            else:
                hosted.step(np.ones(1))
        results.append(float(abs(real.state_vector() - hosted.state_vector()).max()))

    threads = [threading.Thread(target=run, args=(index % 2 == 0,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert max(results) < EXACT
    assert mujoco.mj_step is before
