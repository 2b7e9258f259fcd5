import json

import numpy as np
import pytest

from learned_envs.errors import LogError
from learned_envs.logs.recordings import open_runs
from learned_envs.logs.states import States
from learned_envs.logs.stream import named
from learned_envs.logs.stretch import Cuts, stretches

TOPICS = ("mcap", "rosbag1", "rosbag2")


def written(logs, log_files, folder, name):
    folder.mkdir(exist_ok=True)
    for index, log in enumerate(logs):
        log_files.FORMATS[name](log, folder / f"{index}")
    return folder


def episodes(path, log_map, rows=100_000):
    states = States(log_map, 0.02, 2)
    return list(states.episodes(stretches(open_runs(path), log_map, Cuts(), rows)))


@pytest.fixture(scope="module")
def expected(arm_logs, log_files, tmp_path_factory):
    from learned_envs.logs.map import ActionMap, JointMap, LogMap, Time

    path = written(arm_logs[:2], log_files, tmp_path_factory.mktemp("csv"), "csv")
    names = ("shoulder", "elbow")
    log_map = LogMap(
        time=Time(column="time"),
        joints=tuple(JointMap(name=n, position=f"q_{n}") for n in names),
        actions=tuple(ActionMap(column=f"cmd_{n}") for n in names),
    )
    return episodes(path, log_map)


@pytest.mark.parametrize("name", ["parquet", "npz", "hdf5", *TOPICS])
def test_all_formats_give_the_same_recording(
    name, arm_logs, log_files, arm_map, ros_map, expected, tmp_path
):
    path = written(arm_logs[:2], log_files, tmp_path / name, name)
    found = episodes(path, ros_map if name in TOPICS else arm_map)
    # The second recording has two pauses.
    assert len(found) == len(expected) == 4
    for one, other in zip(found, expected, strict=True):
        for what in ("qpos", "qvel", "actions", "observations"):
            assert np.array_equal(getattr(one, what), getattr(other, what)), what
        assert np.array_equal(one.columns["env._pending"], other.columns["env._pending"])


def test_lerobot_and_robomimic_and_minari(arm_logs, log_files, tmp_path):
    import h5py
    import pyarrow
    import pyarrow.parquet

    log = arm_logs[0]
    q, u = np.stack([*log.joints.values()], 1), np.stack([*log.commands.values()], 1)
    lerobot = tmp_path / "lerobot"
    (lerobot / "meta").mkdir(parents=True)
    (lerobot / "data" / "chunk-000").mkdir(parents=True)
    features = {
        "observation.state": {"dtype": "float64", "shape": [2], "names": ["shoulder", "elbow"]},
        "action": {"dtype": "float64", "shape": [2], "names": {"motors": ["shoulder", "elbow"]}},
        "timestamp": {"dtype": "float64", "shape": [1], "names": None},
    }
    (lerobot / "meta" / "info.json").write_text(json.dumps({"features": features, "fps": 50}))
    table = {
        "observation.state": list(q),
        "action": list(u),
        "timestamp": log.time,
        "episode_index": np.zeros(len(q), int),
    }
    pyarrow.parquet.write_table(
        pyarrow.table(table), lerobot / "data" / "chunk-000" / "file-000.parquet"
    )
    (run,) = open_runs(lerobot)
    assert "observation.state[elbow]" in named(run) and "action[shoulder]" in named(run)
    (block,) = run.blocks(["observation.state[elbow]", "timestamp"])
    assert np.array_equal(block[""].columns["observation.state[elbow]"], q[:, 1])

    with h5py.File(tmp_path / "demos.hdf5", "w") as file:
        for name in ("demo_10", "demo_9"):
            file[f"data/{name}/obs/joint_pos"] = q
            file[f"data/{name}/actions"] = u
    first, second = open_runs(tmp_path / "demos.hdf5")
    assert first.name.endswith("demo_9") and second.name.endswith("demo_10")
    (block,) = first.blocks(["obs/joint_pos[1]", "actions[0]"])
    assert np.array_equal(block[""].columns["actions[0]"], u[:, 0])


def test_a_long_file_is_read_in_blocks(arm_csv, arm_map):
    whole = episodes(arm_csv, arm_map)
    blocks = episodes(arm_csv, arm_map, rows=100)
    assert len(blocks) > len(whole)
    # What lies in one block is as it was, up to what smoothing knows of the neighbours.
    assert np.allclose(blocks[0].qpos, whole[0].qpos[: len(blocks[0].qpos)], atol=1e-2)


@pytest.mark.parametrize(
    ("name", "bytes_kept", "told"),
    [("mcap", 2000, "no whole MCAP"), ("parquet", 300, "Parquet"), ("npz", 700, "npz")],
)
def test_truncated_files_are_named(name, bytes_kept, told, arm_logs, log_files, arm_map, tmp_path):
    folder = written(arm_logs[:1], log_files, tmp_path, name)
    (file,) = folder.glob(f"*.{name}")
    file.write_bytes(file.read_bytes()[:bytes_kept])
    with pytest.raises(LogError, match=told) as error:
        episodes(folder, arm_map)
    assert str(file) in str(error.value)


def test_what_is_wrong_in_text_is_named_with_file_column_and_row(arm_csv, arm_map, tmp_path):
    lines = (arm_csv / "0.csv").read_text().splitlines()
    file = tmp_path / "0.csv"

    def told(changed):
        file.write_text("\n".join(changed))
        with pytest.raises(LogError) as error:
            episodes(tmp_path, arm_map)
        return str(error.value)

    word = [*lines]
    word[5] = "0.08,oops," + word[5].split(",", 2)[2]
    assert "'q_shoulder', row 4" in told(word) and "'oops'" in told(word)
    missing = [*lines]
    missing[7] = "0.12,nan," + missing[7].split(",", 2)[2]
    assert "row 6: got nan" in told(missing)
    assert "expected 5" in told([*lines[:9], lines[9] + ",1.0"])
    assert "no header" in told(lines[1:])
    assert "two columns 'q_elbow'" in told([lines[0].replace("q_shoulder", "q_elbow"), *lines[1:]])
    renamed = [lines[0].replace("q_elbow", "q_elbo"), *lines[1:]]
    assert "Did you mean 'q_elbo'" in told(renamed)


def test_what_is_no_recording_is_refused(arm_map, tmp_path):
    with pytest.raises(LogError, match="There is no file or folder"):
        episodes(tmp_path / "nowhere", arm_map)
    with pytest.raises(LogError, match="holds no recording"):
        episodes(tmp_path, arm_map)
    (tmp_path / "walk.rlds").write_text("x")
    with pytest.raises(LogError, match="no format that is read here"):
        episodes(tmp_path, arm_map)


def test_topics_of_two_clocks_are_refused(arm_logs, log_files, ros_map, tmp_path):
    from dataclasses import replace

    log = replace(arm_logs[0], time=arm_logs[0].time)
    messages = log_files._messages

    def two_clocks(log, store, one):
        for topic, time, message in messages(log, store, one):
            if topic == "/commands":
                message.header.stamp.sec += 10_000
            yield topic, time, message

    log_files._messages = two_clocks
    try:
        log_files.write_mcap(log, tmp_path / "0")
    finally:
        log_files._messages = messages
    with pytest.raises(LogError, match="two time bases"):
        episodes(tmp_path, ros_map)
