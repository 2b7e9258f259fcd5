"""A change of what makes an environment is noticed, wherever it is, and named."""

import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import pytest

from learned_envs.collect.own_code import code_of, sources_of

MJCF = """
<mujoco>
  <worldbody>
    <body>
      <joint name="slide" type="slide" axis="1 0 0"/>
      <geom size="0.1" mass="1"/>
    </body>
  </worldbody>
  <actuator><motor joint="slide" ctrlrange="-1 1"/></actuator>
</mujoco>
"""

MODULE = """
from pathlib import Path
import gymnasium as gym
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.spaces import Box
from {helper} import paid

class Slider(MujocoEnv):
    metadata = {{"render_modes": ["human", "rgb_array", "depth_array"], "render_fps": 100}}

    def __init__(self, **kwargs):
        space = Box(-np.inf, np.inf, (2,), np.float64)
        file = str(Path(__file__).with_suffix(".xml"))
        MujocoEnv.__init__(self, file, 5, observation_space=space, **kwargs)

    def step(self, action):
        self.do_simulation(action, self.frame_skip)
        return self._get_obs(), paid(self.data.qpos[0]), False, False, {{}}

    def reset_model(self):
        self.set_state(self.init_qpos, self.init_qvel)
        return self._get_obs()

    def _get_obs(self):
        return np.concatenate([self.data.qpos, self.data.qvel])

def make(**kwargs):
    return Slider(**kwargs)

gym.register("OwnCode-v0", entry_point={made})
"""


@pytest.fixture(params=["Slider", "make"])
def folder(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Lay out an environment whose reward and model lie in files of their own."""
    (tmp_path / "own_slider.xml").write_text(MJCF)
    (tmp_path / "own_slider_reward.py").write_text("def paid(x):\n    return -abs(x)\n")
    (tmp_path / "own_slider.py").write_text(
        MODULE.format(helper="own_slider_reward", made=request.param)
    )
    (tmp_path / "own_unrelated.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("own_slider", "own_slider_reward"):
        sys.modules.pop(name, None)
    gym.registry.pop("OwnCode-v0", None)


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("own_slider.py", "self.data.qpos[0]", "self.data.qvel[0]", "the module own_slider"),
        ("own_slider_reward.py", "-abs(x)", "-(x**2)", "the module own_slider_reward"),
        ("own_slider.xml", 'mass="1"', 'mass="2"', "its MuJoCo model"),
        ("own_unrelated.py", "", "x = 1", None),
    ],
)
def test_what_changed_is_named(
    folder: Path, file: str, old: str, new: str, named: str | None
) -> None:
    task = "own_slider:OwnCode-v0"
    before = code_of(task)
    assert code_of(task) == before
    path = folder / file
    path.write_text(path.read_text().replace(old, new))
    after = code_of(task)
    assert [name for name in after if before.get(name) != after[name]] == [named] * bool(named)


def test_an_argument_changes_what_is_made(folder: Path) -> None:
    before, after = (code_of(f"own_slider:OwnCode-v0?width={n}") for n in (64, 128))
    assert [name for name in after if before[name] != after[name]] == ["its arguments"]


def test_a_registered_tasks_environment_is_no_part_of_it() -> None:
    assert code_of("Hopper") == {}


def test_this_package_s_own_modules_are_none_of_the_user_s(folder: Path) -> None:
    # However it is installed: what it imports by and by would look like a change.
    modules = [
        name for name in sources_of(str(folder / "own_slider.xml")) if "learned_envs" in name
    ]
    assert modules == ["the module learned_envs.systems.bare"]
