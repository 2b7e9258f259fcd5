"""Logs of robots as files: tables, archives, and messages of ROS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Log:
    """An episode as it was recorded.

    Attributes:
        time: (n,) seconds.
        joints: (n,) each, by name.
        commands: (n,) each, by name.
        imu: (n,) each, by name; nothing if there is none.
        clean: positions and velocities of the joints when rows should have been, without noise.
    """

    time: Array
    joints: Mapping[str, Array]
    commands: Mapping[str, Array]
    imu: Mapping[str, Array]
    clean: Mapping[str, Array] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Array]:
        """All columns of one table, (n,) each."""
        return {"time": self.time, **self.joints, **self.commands, **self.imu}

    def without(self, rows: Array) -> Log:
        """Return the log without rows."""
        kept = np.setdiff1d(np.arange(len(self.time)), rows)
        parts = (self.joints, self.commands, self.imu)
        joints, commands, imu = ({n: x[kept] for n, x in part.items()} for part in parts)
        return Log(self.time[kept], joints, commands, imu, self.clean)


def write_csv(log: Log, file: Path) -> None:
    columns = log.columns
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    lines = [",".join(columns), *(",".join(map(repr, row)) for row in rows)]
    file.with_suffix(".csv").write_text("\n".join(lines) + "\n")


def write_parquet(log: Log, file: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(dict(log.columns)), file.with_suffix(".parquet"))


def write_npz(log: Log, file: Path) -> None:
    np.savez(file.with_suffix(".npz"), **log.columns)  # type: ignore[arg-type]


def write_hdf5(log: Log, file: Path) -> None:
    import h5py

    with h5py.File(file.with_suffix(".hdf5"), "w") as out:
        for name, column in log.columns.items():
            out[name] = column


def write_mcap(log: Log, file: Path) -> None:
    """Write messages of ROS 2 into an MCAP file."""
    from rosbags.rosbag2 import StoragePlugin

    folder = _bag2(log, file.with_name(f"{file.name}.folder"), StoragePlugin.MCAP)
    (inside,) = folder.glob("*.mcap")
    inside.rename(file.with_suffix(".mcap"))
    for rest in folder.iterdir():
        rest.unlink()
    folder.rmdir()


def write_rosbag2(log: Log, file: Path) -> None:
    from rosbags.rosbag2 import StoragePlugin

    _bag2(log, file, StoragePlugin.SQLITE3)


def write_rosbag1(log: Log, file: Path) -> None:
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC)
    with Writer(file.with_suffix(".bag")) as writer:
        _write(log, writer, store, store.serialize_ros1)


def _bag2(log: Log, folder: Path, plugin: Any) -> Path:
    from rosbags.rosbag2 import Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.LATEST)
    with Writer(folder, version=9, storage_plugin=plugin) as writer:
        _write(log, writer, store, store.serialize_cdr)
    return folder


def _write(log: Log, writer: Any, store: Any, serialize: Callable[[Any, str], Any]) -> None:
    topics: dict[str, Any] = {}
    for topic, time, message in _messages(log, store, one=serialize == store.serialize_ros1):
        kind = message.__msgtype__
        if topic not in topics:
            topics[topic] = writer.add_connection(topic, kind, typestore=store)
        writer.write(topics[topic], time, serialize(message, kind))


def _messages(log: Log, store: Any, one: bool) -> Any:
    """Give what nodes of ROS would have sent: topic, nanoseconds, message."""
    types = store.types
    for row, seconds in enumerate(log.time):
        time = round(seconds * 1e9)
        stamp = types["builtin_interfaces/msg/Time"](time // 10**9, time % 10**9)
        header = types["std_msgs/msg/Header"](*((row,) if one else ()), stamp, "robot")
        nothing = np.empty(0)
        position = np.array([column[row] for column in log.joints.values()])
        names = [name.removeprefix("q_") for name in log.joints]
        yield (
            "/joint_states",
            time,
            types["sensor_msgs/msg/JointState"](header, names, position, nothing, nothing),
        )
        command = np.array([column[row] for column in log.commands.values()])
        names = [name.removeprefix("cmd_") for name in log.commands]
        yield (
            "/commands",
            time,
            types["sensor_msgs/msg/JointState"](header, names, command, nothing, nothing),
        )


FORMATS: dict[str, Callable[[Log, Path], None]] = {
    "csv": write_csv,
    "parquet": write_parquet,
    "npz": write_npz,
    "hdf5": write_hdf5,
    "mcap": write_mcap,
    "rosbag1": write_rosbag1,
    "rosbag2": write_rosbag2,
}
