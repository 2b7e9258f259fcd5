"""Code that is derived once serves all environments alike, and only these."""

import copy
import logging
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from marks import needs_compiler

from learned_envs.codegen.cpp import compiler, function, library
from learned_envs.codegen.numpy_code import function as numpy_function
from learned_envs.errors import ParameterError
from learned_envs.stepping import sharing


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was traced, in a process that has derived nothing."""
    monkeypatch.setattr(sharing, "_kept", sharing._Kept())
    seen: list[Any] = []
    for module in (function, numpy_function):
        real = module.traced

        def counted(function: Any, examples: Any, real: Any = real) -> Any:
            seen.append(function)
            return real(function, examples)

        monkeypatch.setattr(module, "traced", counted)
    return seen


@pytest.fixture
def stepped(checkpoint: Callable[[str], Path]) -> Callable[..., Any]:
    """`stepped(**options)`: a Hopper that has taken steps in several episodes, and the last one."""

    def make(**options: Any) -> tuple[gym.Env[Any, Any], Any]:
        options = {"checkpoint": checkpoint("Hopper"), "compile": False, **options}
        env = gym.make("LearnedSim-Hopper-v0", **options)
        for seed in range(6):
            env.reset(seed=seed)
            last = [env.step(np.full(3, 0.1, dtype=np.float32))[:4] for _ in range(2)]
        return env, last

    return make


def test_a_second_environment_derives_nothing(stepped, traces):
    _, first = stepped()
    made = len(traces)
    _, second = stepped()
    assert made > 0 and len(traces) == made
    np.testing.assert_equal(first, second)


def test_copies_and_pickles_step_by_the_code_that_is_there(stepped, traces):
    env, _ = stepped()
    made, action = len(traces), np.full(3, 0.1, dtype=np.float32)
    twins = copy.deepcopy(env), pickle.loads(pickle.dumps(env))
    expected = env.step(action)[:4]
    for twin in twins:
        np.testing.assert_equal(twin.step(action)[:4], expected)
    assert len(traces) == made


@pytest.mark.parametrize(
    "options",
    [
        {"forward_reward_weight": 2.0},
        {"max_disagreement": 0.5},
        {"disagreement_penalty": 0.1},
        {"ensemble": "mean"},
        {"healthy_z_range": (0.1, 9.0)},
    ],
    ids=str,
)
def test_environments_that_differ_share_nothing(stepped, traces, options):
    stepped()
    made = len(traces)
    _, own = stepped(**options)
    derived = len(traces) - made
    assert derived > 0
    traces.clear()
    sharing._kept._made.clear()
    np.testing.assert_equal(stepped(**options)[1], own)


def test_other_weights_share_nothing(stepped, traces, weights):
    stepped()
    made = len(traces)
    stepped(checkpoint=weights)
    assert len(traces) > made


def test_no_more_codes_are_kept_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(sharing, "LARGEST", 2)
    kept = sharing._Kept()
    for key in range(5):
        assert kept.get(key, lambda key=key: -key) == -key
    assert len(kept._made) == 2
    assert kept.get(4, lambda: 0) == -4


@pytest.mark.parametrize("num_envs", [None, 3])
def test_without_a_compiler_auto_steps_as_uncompiled_and_says_so_in_the_log(
    num_envs, checkpoint, traces, monkeypatch, caplog
):
    monkeypatch.setattr(compiler, "COMPILERS", ("nowhere++",))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(library, "_loaded", {})

    def steps(compile: Any) -> list[Any]:
        options = {"checkpoint": checkpoint("Hopper"), "compile": compile}
        if num_envs is None:
            env = gym.make("LearnedSim-Hopper-v0", **options)
        else:
            env = gym.make_vec("LearnedSim-Hopper-v0", num_envs=num_envs, **options)
        env.reset(seed=0)
        zeros = np.zeros(env.action_space.shape, dtype=np.float32)
        return [env.step(zeros)[:4] for _ in range(3)]

    expected = steps(False)
    with warnings.catch_warnings(), caplog.at_level(logging.DEBUG, "learned_envs"):
        warnings.simplefilter("error")
        np.testing.assert_equal(steps("auto"), expected)
    assert "no C++ compiler" in caplog.text
    with pytest.warns(UserWarning, match="no C\\+\\+ compiler"):
        np.testing.assert_equal(steps(True), expected)


@needs_compiler
def test_parameters_of_a_task_are_no_part_of_its_native_code(stepped, traces, monkeypatch):
    sources: set[str] = set()
    real = library._found
    monkeypatch.setattr(library, "_loaded", {})
    monkeypatch.setattr(library, "_found", lambda s, key: sources.add(s) or real(s, key))
    stepped(compile="auto")
    made = len(sources)
    _, first = stepped(compile="auto", forward_reward_weight=2.0, max_disagreement=40.0)
    assert len(sources) == made > 0
    _, second = stepped(forward_reward_weight=2.0, max_disagreement=40.0)
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-4, atol=1e-4)
        assert ours[1] == pytest.approx(theirs[1], abs=1e-4)


@pytest.mark.parametrize("compile", ["yes", 1, None, "Auto"])
def test_compile_is_true_false_or_auto(compile, checkpoint):
    with pytest.raises(ParameterError, match="compile"):
        gym.make("LearnedSim-Hopper-v0", checkpoint=checkpoint("Hopper"), compile=compile)
