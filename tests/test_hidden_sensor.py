"""A sensor of several numbers that nobody observes: recorded, learned, and seen by the rules."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from users import users_module

from learned_envs import register_task
from learned_envs.errors import DatasetError
from learned_envs.evaluation.sensors import sensor_figures
from learned_envs.fit import Dataset, FitConfig, TrainingConfig, collect, fit
from learned_envs.systems.reference import make_reference

MODULE = """
from dataclasses import dataclass
from typing import ClassVar

from learned_envs.systems.sensor import Sensor
from learned_envs.tasks.hopper import Hopper

FORCES = Sensor("forces of constraints", size=6, array="qfrc_constraint")


@dataclass(frozen=True, kw_only=True)
class FeelingHopper(Hopper):
    sensors: ClassVar[tuple[Sensor, ...]] = (FORCES,)

    def details(self, transition):
        felt = transition.readings[FORCES.name].norm(dim=-1)
        return {**super().details(transition), "felt": felt}
"""

TRAINING = TrainingConfig(
    members=2, updates=4, batch_size=16, horizons=(1, 2), check_every=2, held_out=0.2
)


@pytest.fixture
def task(tmp_path: Path) -> Iterator[str]:
    with users_module(tmp_path, "my_hopper", MODULE) as name:
        register_task("FeelingHopper", f"{name}:FeelingHopper", reference_id="Hopper-v5")
        yield "FeelingHopper"


@pytest.mark.filterwarnings("error:No native code")
def test_it_is_recorded_learned_and_told(task: str, tmp_path: Path) -> None:
    dataset = collect(task, 800, tmp_path / "data", workers=1)
    recording = dataset.load()
    (forces,) = recording.columns.values()
    assert forces.shape == (len(recording.qpos), 6)
    with closing(make_reference(task)) as env:
        # Replayed from a row before the ground was met, MuJoCo makes the same forces again.
        row = int(np.flatnonzero(np.abs(forces).sum(1) > 0)[1]) - 1
        env.reset()
        env.unwrapped.set_state(recording.qpos[row], recording.qvel[row])
        env.unwrapped.do_simulation(recording.actions[row], env.unwrapped.frame_skip)
        # A solver that starts from its last solution ends elsewhere within its tolerance.
        np.testing.assert_allclose(env.unwrapped.data.qfrc_constraint, forces[row + 1], atol=1e-3)

    config = FitConfig(data=str(tmp_path / "data"), options={"hidden": (8,)}, training=TRAINING)
    simulation = fit(task, tmp_path / "run", config, device="cpu")
    assert sensor_figures(simulation, recording).keys() == {"forces of constraints"}
    for compile in (False, True):
        # Code is derived for it too: a warning would say that torch steps.
        env = gym.make(f"LearnedSim-{task}-v0", checkpoint=tmp_path / "run", compile=compile)
        assert env.reset(seed=0)[0].shape == (11,)
        assert env.step(env.action_space.sample())[4]["felt"] >= 0
    assert torch.isfinite(
        simulation.rollout(simulation.reset(3), torch.zeros(3, 5, 3)).rewards
    ).all()


def test_data_without_it_is_refused(task: str, tmp_path: Path) -> None:
    plain = collect("Hopper", 800, tmp_path / "data", workers=1)
    recorded_as_task = Dataset.create(tmp_path / "renamed", task, plain.spec)
    recording = plain.load()
    recorded_as_task.append([recording.episode(i) for i in range(len(recording))])
    config = FitConfig(data=str(tmp_path / "renamed"), training=TRAINING)
    with pytest.raises(DatasetError, match="without 'forces of constraints'"):
        fit(task, tmp_path / "run", config, device="cpu")
