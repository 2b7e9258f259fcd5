"""A training checks what it is given before it begins."""

from pathlib import Path
from typing import Any

import pytest

from learned_envs import Simulation
from learned_envs.data.trajectories import Trajectories
from learned_envs.errors import ArgumentTypeError, DatasetError
from learned_envs.fit import TrainingConfig, train


def test_a_training_says_what_it_lacks(pendulum_data: Any, tmp_path: Path) -> None:
    simulation = Simulation.load("Hopper")
    recording = pendulum_data.load()
    episodes = Trajectories.of(recording, Simulation.load("InvertedPendulum").task.spec)
    arguments = {
        "dynamics": simulation.dynamics,
        "data": episodes,
        "held_out": episodes,
        "config": TrainingConfig(),
        "out": tmp_path,
        "card": {"task": "Hopper"},
    }
    with pytest.raises(DatasetError, match=r"\[2, 2, 1\].*\[6, 6, 3\]"):
        train(**arguments)
    for wrong in (
        {"dynamics": simulation},
        {"data": recording},
        {"held_out": None, "dynamics": Simulation.load("InvertedPendulum").dynamics},
        {"config": {}},
        {"card": "Hopper"},
    ):
        with pytest.raises(ArgumentTypeError, match="expected"):
            train(**{**arguments, **wrong})
    assert not list(tmp_path.iterdir())
