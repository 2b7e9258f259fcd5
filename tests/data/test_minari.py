import importlib
import json
import os
import shutil
import sys

import numpy as np
import pytest

from learned_envs.collect.collection import collect
from learned_envs.data import minari_library
from learned_envs.data.dataset import Dataset
from learned_envs.data.minari import export_minari, import_minari
from learned_envs.data.recording import ROWS
from learned_envs.data.source import open_dataset
from learned_envs.errors import DatasetError, DependencyError, OutputError
from learned_envs.systems.reference import spec_of

minari = pytest.importorskip("minari")
h5py = pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return collect("Hopper", 400, tmp_path_factory.mktemp("native") / "data", workers=1)


@pytest.fixture(scope="module")
def original(dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("minari") / "hopper-test-v0"
    export_minari(dataset, path)
    return path


@pytest.fixture
def exported(original, tmp_path):
    return shutil.copytree(original, tmp_path / original.name)


def test_there_and_back_is_exact(dataset, exported):
    native, back = dataset.load(), import_minari(exported, "Hopper", spec_of("Hopper"))
    recording = back.load()
    for name in (*ROWS, "lengths", "terminated", "truncated", "seeds"):
        one, other = getattr(native, name), getattr(recording, name)
        assert np.array_equal(one, other), name
        assert one.dtype == other.dtype
    assert recording.actors == native.actors
    assert (back.steps, back.episodes, back.actors) == (
        dataset.steps,
        dataset.episodes,
        dataset.actors,
    )
    assert back.spec == dataset.spec
    assert len(back.digest) == 64


def test_minari_opens_it(dataset, exported, monkeypatch):
    by_path = minari.MinariDataset(exported / "data")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(exported.parent))
    by_name = minari.load_dataset("hopper-test-v0")
    for opened in (by_path, by_name):
        assert opened.total_steps == dataset.steps
        assert opened.total_episodes == dataset.episodes
        assert opened.env_spec.id == "Hopper-v5"
        episode = opened[0]
        assert len(episode.observations) == len(episode.actions) + 1
        assert opened.observation_space.contains(episode.observations[0])
        assert opened.action_space.contains(episode.actions[0])
    assert minari.load_dataset("hopper-test-v0").recover_environment().spec.id == "Hopper-v5"


def test_leaves_nothing_else_behind(original):
    assert [entry.name for entry in original.parent.iterdir()] == ["hopper-test-v0"]
    assert "MINARI_DATASETS_PATH" not in os.environ


def test_open_dataset_tells_the_formats_apart(dataset, exported, tmp_path):
    assert isinstance(open_dataset(dataset.path, "Hopper"), Dataset)
    for path in (exported, exported / "data"):
        assert open_dataset(path, "Hopper", lambda: spec_of("Hopper")).steps == dataset.steps
    with pytest.raises(DatasetError, match="nothing there"):
        open_dataset(tmp_path / "nowhere", "Hopper")


class TestBadInput:
    def test_export_to_what_exists(self, dataset, exported):
        with pytest.raises(OutputError, match="exists already"):
            export_minari(dataset, exported)

    def test_export_to_what_cannot_be_written(self, dataset, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="Cannot write"):
            export_minari(dataset, tmp_path / "file" / "out")

    def test_missing(self, tmp_path):
        with pytest.raises(DatasetError, match="No Minari dataset"):
            import_minari(tmp_path, "Hopper", spec_of("Hopper"))

    def test_another_environment(self, exported):
        with pytest.raises(DatasetError, match="of Hopper-v5, expected one of InvertedPendulum"):
            import_minari(exported, "InvertedPendulum", spec_of("InvertedPendulum"))

    def test_another_xml(self, exported):
        file = exported / "data" / "metadata.json"
        metadata = json.loads(file.read_text())
        env_spec = json.loads(metadata["env_spec"])
        env_spec["kwargs"] = {"frame_skip": 2}
        metadata["env_spec"] = json.dumps(env_spec)
        file.write_text(json.dumps(metadata))
        with pytest.raises(DatasetError, match=r"another frame_skip .*frame_skip=2"):
            import_minari(exported, "Hopper", spec_of("Hopper"))

    @pytest.mark.parametrize("name", ["qpos", "qvel"])
    def test_without_full_state(self, exported, name):
        with h5py.File(exported / "data" / "main_data.hdf5", "a") as file:
            del file["episode_2/infos"][name]
        with pytest.raises(DatasetError, match=f"no {name} .*public mujoco datasets"):
            import_minari(exported, "Hopper", spec_of("Hopper"))

    def test_without_infos(self, exported):
        with h5py.File(exported / "data" / "main_data.hdf5", "a") as file:
            del file["episode_0/infos"]
        with pytest.raises(DatasetError, match="no qpos and no qvel in its infos"):
            import_minari(exported, "Hopper", spec_of("Hopper"))

    def test_not_finite(self, exported):
        with h5py.File(exported / "data" / "main_data.hdf5", "a") as file:
            file["episode_1/infos/qvel"][0] = np.nan
        with pytest.raises(DatasetError, match=r"Episode 1 .*qvel is not finite at row 0"):
            import_minari(exported, "Hopper", spec_of("Hopper"))

    def test_wrong_lengths(self, exported):
        with h5py.File(exported / "data" / "main_data.hdf5", "a") as file:
            file["episode_1/actions"].resize(1, axis=0)
        with pytest.raises(DatasetError, match=r"Episode 1 .*actions has shape"):
            import_minari(exported, "Hopper", spec_of("Hopper"))

    def test_empty(self, exported):
        with h5py.File(exported / "data" / "main_data.hdf5", "w"):
            pass
        file = exported / "data" / "metadata.json"
        metadata = json.loads(file.read_text()) | {"total_episodes": 0, "total_steps": 0}
        file.write_text(json.dumps(metadata))
        with pytest.raises(DatasetError, match="empty"):
            import_minari(exported, "Hopper", spec_of("Hopper"))

    @pytest.mark.parametrize("name", ["main_data.hdf5", "metadata.json"])
    @pytest.mark.parametrize("keep", [0, 300])
    def test_truncated(self, exported, name, keep):
        file = exported / "data" / name
        file.write_bytes(file.read_bytes()[:keep])
        with pytest.raises(DatasetError, match="cannot be read by Minari"):
            import_minari(exported, "Hopper", spec_of("Hopper"))

    @pytest.mark.skipif(sys.platform == "win32", reason="signals end no process there")
    def test_a_file_that_ends_the_process_that_reads_it(self, exported, monkeypatch):
        monkeypatch.setattr(minari_library, "READ_ALL", "import os; os.kill(os.getpid(), 11)")
        with pytest.raises(DatasetError, match="the HDF5 library fails on it"):
            import_minari(exported, "Hopper", spec_of("Hopper"))

    def test_without_minari(self, dataset, exported, tmp_path, monkeypatch):
        load = importlib.import_module

        def absent(name, *arguments):
            if name == "minari":
                raise ModuleNotFoundError("No module named 'minari'")
            return load(name, *arguments)

        monkeypatch.setattr(importlib, "import_module", absent)
        for call in (
            lambda: import_minari(exported, "Hopper", spec_of("Hopper")),
            lambda: export_minari(dataset, tmp_path / "out"),
        ):
            with pytest.raises(DependencyError, match=r"learned-envs\[minari\]"):
                call()
        assert not (tmp_path / "out").exists()
