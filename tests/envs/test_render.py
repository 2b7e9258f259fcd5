"""Pictures are the reference environment's own; if none can be drawn, an error says so."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from grids import WRITTEN
from marks import needs_gl

import learned_envs  # noqa: F401
from learned_envs.envs import render
from learned_envs.errors import RenderError
from learned_envs.state import State

SMALL = {"width": 64, "height": 48}


@needs_gl
@pytest.mark.parametrize("task", WRITTEN)
def test_the_frame_is_the_references(
    task: str, checkpoint: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    env = gym.make(
        f"LearnedSim-{task}-v0", checkpoint=checkpoint(task), render_mode="rgb_array", **SMALL
    )
    env.reset(seed=0)
    env.step(env.action_space.sample())
    frame = env.render()
    assert frame.shape == (48, 64, 3)
    assert frame.dtype == np.uint8
    assert frame.std() > 0
    # MuJoCo's C code would say so past Python's own stderr, and GL may have its say there.
    assert "deprecated" not in capfd.readouterr().err

    learned: Any = env.unwrapped
    reference: Any = gym.make(learned.reference_id, render_mode="rgb_array", **SMALL)
    reference.reset()
    state = learned.state
    reference.unwrapped.set_state(state.q.double().numpy(), state.v.double().numpy())
    np.testing.assert_array_equal(frame, reference.render())
    assert env.metadata["render_modes"] == reference.metadata["render_modes"]
    assert env.metadata["render_fps"] == reference.metadata["render_fps"]
    reference.close()
    env.close()


@needs_gl
def test_frames_follow_the_state_and_survive_close(checkpoint: Callable[[str], Path]) -> None:
    env: Any = gym.make(
        "LearnedSim-Hopper-v0", checkpoint=checkpoint("Hopper"), render_mode="rgb_array", **SMALL
    ).unwrapped
    env.reset(seed=0)
    first = env.render()
    env.set_state(np.array([0, 2.0, 0.5, 0, 0, 0]), np.zeros(6))
    moved = env.render()
    assert (first != moved).any()
    env.close()
    np.testing.assert_array_equal(env.render(), moved)
    env.close()


@needs_gl
def test_a_vector_renders_each_environment(checkpoint: Callable[[str], Path]) -> None:
    envs: Any = gym.make_vec(
        "LearnedSim-Hopper-v0",
        num_envs=2,
        checkpoint=checkpoint("Hopper"),
        render_mode="rgb_array",
        **SMALL,
    )
    envs.reset(seed=0)
    q, v = np.zeros((2, 6)), np.zeros((2, 6))
    q[:, 1] = 1.25, 2.0
    envs.set_state(q, v)
    frames = envs.render()
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 2
    assert (frames[0] != frames[1]).any()
    envs.close()


def test_render_without_a_mode_is_refused(checkpoint: Callable[[str], Path]) -> None:
    env: Any = gym.make("LearnedSim-Hopper-v0", checkpoint=checkpoint("Hopper")).unwrapped
    env.reset()
    with pytest.raises(RenderError, match="render_mode='rgb_array'"):
        env.render()


def test_a_missing_gl_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(render, "_has_display", lambda: False)
    monkeypatch.setattr(render.ctypes, "CDLL", missing)
    monkeypatch.setattr(render.sys, "platform", "linux")
    renderer = render.Renderer("Hopper", "rgb_array", {})
    with pytest.raises(RenderError, match="apt install libegl1"):
        renderer.draw(State(torch.zeros(6), torch.zeros(6)))
    assert "MUJOCO_GL" not in os.environ


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_a_window_without_a_display_is_refused_and_does_not_abort(
    checkpoint: Callable[[str], Path],
) -> None:
    program = f"""
import gymnasium as gym, learned_envs
from learned_envs.errors import RenderError
from learned_envs.state import State
for make in (gym.make, gym.make_vec):
    try:
        env = make(
            "LearnedSim-Hopper-v0", checkpoint={str(checkpoint("Hopper"))!r}, render_mode="human"
        )
        env.reset()
    except RenderError as error:
        print(error)
"""
    hidden = {"DISPLAY", "WAYLAND_DISPLAY"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("there is no display") == 2
