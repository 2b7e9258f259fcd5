"""Pictures need no code of the environment, if its MJCF needs no other files."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import msgspec
import mujoco
import numpy as np
import pytest
import torch
from marks import needs_gl
from traits import TraitEnv, mjcf

from learned_envs import registry
from learned_envs.card import read_card
from learned_envs.checkpoint import save_checkpoint
from learned_envs.collect.traced import reference_of
from learned_envs.dynamics import Ensemble
from learned_envs.envs.render import Renderer
from learned_envs.errors import RenderError
from learned_envs.state import State
from learned_envs.systems.picture import LONGEST, Drawing, self_contained_mjcf
from learned_envs.systems.reference import deprecations_swallowed, make_reference, spec_of
from learned_envs.systems.spec import Leaf

GO1 = Path(__file__).parents[2] / "examples" / "unitree_go1"
SIZE = {"width": 160, "height": 120}
NAMES = ["Hopper", "HalfCheetah", "Walker2d", "Swimmer", "Reacher", "InvertedPendulum"]
NAMES += ["Ant", "Humanoid", "Pusher"]


@pytest.fixture(autouse=True)
def gl(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MUJOCO_GL", os.environ.get("MUJOCO_GL", "egl"))
    with deprecations_swallowed():
        yield


@needs_gl
@pytest.mark.parametrize("name", [*(f"{name}-v5" for name in NAMES), "go1:Go1Velocity-v0"])
def test_a_picture_is_the_environments(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(GO1)
    with closing(gym.make(name)) as env:
        text = self_contained_mjcf(env)
    assert text is not None
    # 13,000 at most: the Go1.
    assert len(text) < 20_000
    # Its camera sees the horizon, where far tiles of the floor depend on the last of six digits.
    same_digits = digits(text, tmp_path) if name.startswith("go1:") else {}
    ours, theirs = pictures(name, text, 5, **same_digits)
    # An MJCF is written with six digits: 1e-4 of the Ant's pixels, on edges, were others. MuJoCo
    # 3.3 shades 5% of the pixels by 2 of 255 more or less, and in two of 25 states of the Ant half
    # a row of the floor's pixels was another: the actions are seeded.
    assert (np.abs(ours - theirs) > 4).mean() < 1e-3
    assert theirs.std() > 10


@needs_gl
@pytest.mark.parametrize("asked", [{"camera_id": -1}, {"camera_name": "tracking"}])
def test_another_camera_may_be_asked_for(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(GO1)
    name = "go1:Go1Velocity-v0"
    # The environment that the MJCF is of looks through another one, or through the same.
    with closing(gym.make(name)) as env:
        text = self_contained_mjcf(env)
    assert text is not None
    ours, theirs = pictures(name, text, 0, asked, **digits(text, tmp_path))
    assert (np.abs(ours - theirs) > 4).mean() < 1e-3


def digits(text: str, folder: Path) -> dict[str, str]:
    """Return what makes an environment of the numbers that an MJCF was written with."""
    path = folder / "written.xml"
    path.write_text(text)
    return {"xml_file": str(path)}


def pictures(
    name: str, text: str, steps: int, asked: Mapping[str, Any] = SIZE, **kwargs: Any
) -> tuple[Any, Any]:
    """Return the picture from an MJCF and that of an environment, after some steps."""
    picture = {**SIZE, **asked}
    with closing(gym.make(name, render_mode="rgb_array", **picture, **kwargs)) as env:
        env.reset(seed=0)
        env.action_space.seed(0)
        for _ in range(steps):
            env.step(env.action_space.sample())
        base: Any = env.unwrapped
        mujoco.mj_forward(base.model, base.data)
        drawing = Drawing(text, (), "rgb_array", picture)
        drawing.set_state(base.data.qpos, base.data.qvel)
        ours, theirs = drawing.render(), env.render()
        drawing.close()
    return ours.astype(int), theirs


def test_the_file_is_asked_if_mujoco_loaded_another_since(tmp_path: Path) -> None:
    env = gym.make("Hopper-v5")
    mujoco.MjModel.from_xml_string(mjcf())
    text = self_contained_mjcf(env)
    assert text is not None
    assert "foot_geom" in text


def test_an_mjcf_that_needs_files_is_not_kept(tmp_path: Path) -> None:
    obj = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"
    (tmp_path / "tetrahedron.obj").write_text(obj)
    (tmp_path / "model.xml").write_text(
        '<mujoco><asset><mesh name="m" file="tetrahedron.obj"/></asset><worldbody><body>'
        '<freejoint/><geom type="mesh" mesh="m"/></body></worldbody></mujoco>'
    )
    env = gym.make("learned_envs.systems.bare:BareMujoco-v0", xml_file=tmp_path / "model.xml")
    assert self_contained_mjcf(env) is None


def test_an_mjcf_that_is_very_long_is_not_kept() -> None:
    many = "".join(f'<geom pos="{x} 0 0" size=".1"/>' for x in range(LONGEST // 20))
    assert self_contained_mjcf(TraitEnv(mjcf(world=many))) is None


@needs_gl
def test_leaves_that_mujoco_holds_are_drawn() -> None:
    mocap = '<body name="goal" mocap="true"><geom size=".3" rgba="1 0 0 1"/></body>'
    text = self_contained_mjcf(TraitEnv(mjcf(world=mocap)))
    assert text is not None
    leaves = (Leaf("mocap_pos", 3), Leaf("env._command", 2))
    drawing = Drawing(text, leaves, "rgb_array", SIZE)
    q = v = np.zeros(1)
    drawing.set_state(q, v, {"mocap_pos": np.zeros(3), "env._command": np.ones(2)})
    here = drawing.render()
    drawing.set_state(q, v, {"mocap_pos": np.array([0.0, 0.0, 1.5])})
    assert (drawing.render() != here).any()
    drawing.close()


@needs_gl
def test_it_draws_where_the_environment_is_not_installed() -> None:
    text = self_contained_mjcf(TraitEnv(mjcf()))
    task = "nowhere_to_be_found:Robot-v0"
    state = State(torch.zeros(1), torch.zeros(1))
    renderer = Renderer(task, "rgb_array", SIZE, (), text)
    assert renderer.draw(state).shape == (120, 160, 3)
    renderer.close()
    with pytest.raises(RenderError, match=r"nowhere_to_be_found.* holds no MJCF"):
        Renderer(task, "rgb_array", SIZE).draw(state)


@needs_gl
def test_a_card_says_what_draws_its_states(tmp_path: Path) -> None:
    task = "Hopper-v5?frame_skip=2"
    spec, path = spec_of(task), tmp_path / "model.safetensors"
    model = Ensemble(registry.family_class("second_order")(hidden=(8,)), spec, 1)
    with closing(make_reference(task)) as env:
        reference = msgspec.to_builtins(reference_of(env, registry.task_entry(task)))
    save_checkpoint(path, model, {"task": "Hopper", "reference": reference})
    # As if it were of an environment that is not installed.
    card = msgspec.structs.replace(read_card(path), task="nowhere_to_be_found:Robot-v0")
    renderer = Renderer.of(card, "rgb_array", SIZE)
    frame = renderer.draw(State(torch.tensor(spec.q0), torch.zeros(6)))
    renderer.close()
    assert frame.std() > 10
