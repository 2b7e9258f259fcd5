"""Recordings of a two-joint arm, as its owner would have them."""

import importlib
import sys
from pathlib import Path

import pytest

from learned_envs.logs.map import ActionMap, JointMap, LogMap, Time

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


def _of_benchmarks(name):
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="session")
def robot_logs():
    return _of_benchmarks("robot_logs")


@pytest.fixture(scope="session")
def log_files():
    return _of_benchmarks("log_files")


@pytest.fixture(scope="session")
def arm_logs(robot_logs):
    return [robot_logs.recorded("arm", seed, rows=240) for seed in range(4)]


@pytest.fixture(scope="session")
def arm_csv(arm_logs, log_files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("arm")
    for index, log in enumerate(arm_logs):
        log_files.write_csv(log, folder / f"{index}")
    return folder


@pytest.fixture
def arm_map():
    return LogMap(
        name="arm",
        time=Time(column="time"),
        joints=(
            JointMap(name="shoulder", position="q_shoulder"),
            JointMap(name="elbow", position="q_elbow"),
        ),
        actions=(
            ActionMap(column="cmd_shoulder", joint="shoulder"),
            ActionMap(column="cmd_elbow", joint="elbow"),
        ),
    )


@pytest.fixture
def ros_map():
    topic = "/joint_states/position[{}]"
    return LogMap(
        name="arm",
        joints=tuple(JointMap(name=n, position=topic.format(n)) for n in ("shoulder", "elbow")),
        actions=tuple(
            ActionMap(column=f"/commands/position[{n}]", joint=n) for n in ("shoulder", "elbow")
        ),
    )
