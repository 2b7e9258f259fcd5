import dataclasses
import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
from episodes import assert_equal, edit_manifest, make_episode
from safetensors.numpy import load_file, save

from learned_envs.data.dataset import Dataset
from learned_envs.data.recording import ROWS, Recording
from learned_envs.data.source import open_dataset
from learned_envs.errors import DatasetError, OutputError, ParameterError


def tamper(dataset, change):
    """Change a shard's arrays, and the manifest so that it agrees."""
    file = dataset.path / dataset.shards[0].name
    arrays = {name: array.copy() for name, array in load_file(file).items()}
    change(arrays)
    data = save(arrays)
    file.write_bytes(data)

    def agree(manifest):
        manifest["shards"][0]["bytes"] = len(data)
        manifest["shards"][0]["sha256"] = hashlib.sha256(data).hexdigest()

    edit_manifest(dataset, agree)


class TestRoundTrip:
    def test_exact(self, dataset, episodes):
        reopened = Dataset.open(dataset.path, "Hopper")
        recording = reopened.load()
        assert_equal(recording, Recording.of(episodes))
        for index, episode in enumerate(episodes):
            assert_equal(recording.episode(index), episode)
        assert reopened.spec == dataset.spec
        assert reopened.digest == dataset.digest
        assert reopened.steps == recording.steps == 28
        assert reopened.episodes == len(recording) == 5
        assert reopened.actors == recording.steps_by_actor == {"agent:a": 8, "random": 20}
        assert reopened.shards[1].origin == {"round": 1}

    def test_one_index_serves_every_array(self, dataset, episodes):
        recording = dataset.load()
        row = int(recording.offsets[2]) + 4
        assert np.array_equal(recording.actions[row], episodes[2].actions[4])
        assert np.array_equal(recording.qpos[row + 1], episodes[2].qpos[5])
        last = recording.offsets + recording.lengths
        assert not recording.actions[last].any()
        assert not recording.rewards[last].any()

    def test_digest_tells_data_apart(self, dataset, spec, tmp_path, episodes):
        other = Dataset.create(tmp_path / "other", "Hopper", spec)
        other.append(episodes[:3])
        assert other.digest != dataset.digest
        other.append(episodes[3:])
        assert other.digest == dataset.digest

    def test_append_through_two_objects_loses_nothing(self, dataset, spec):
        other = Dataset.open(dataset.path)
        dataset.append([make_episode(spec, 2)])
        other.append([make_episode(spec, 4)])
        assert Dataset.open(dataset.path).load().steps == 34


class TestCreate:
    def test_refuses_what_is_not_empty(self, dataset, tmp_path, spec):
        with pytest.raises(OutputError, match="not empty"):
            Dataset.create(dataset.path, "Hopper", spec)
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(OutputError, match="not empty"):
            Dataset.create(tmp_path, "Hopper", spec)

    def test_refuses_what_cannot_be_written(self, tmp_path, spec):
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="Cannot make"):
            Dataset.create(tmp_path / "file" / "data", "Hopper", spec)


class TestAppend:
    @pytest.mark.parametrize(
        ("field", "change", "words"),
        [
            ("qpos", lambda a: a[:-1], "shape"),
            ("qvel", lambda a: a[:, 1:], "shape"),
            ("observations", lambda a: a[1:], "shape"),
            ("observations", lambda a: a[:, 0], "shape"),
            ("actions", lambda a: a[:, :2], "shape"),
            ("actions", lambda a: np.concatenate((a, a[:1])), "shape"),
            ("rewards", lambda a: a[:0], "no step"),
            ("rewards", lambda a: a[:, None], "shape"),
            ("qpos", lambda a: np.where(a == a[1, 2], np.nan, a), "not finite at row 1"),
            ("rewards", lambda a: np.where(a == a[3], np.inf, a), "not finite at row 3"),
        ],
    )
    def test_refuses_a_bad_episode_and_keeps_the_rest(self, dataset, spec, field, change, words):
        digest = dataset.digest
        good = make_episode(spec, 6)
        bad = dataclasses.replace(good, **{field: change(getattr(good, field))})
        with pytest.raises(DatasetError, match=words) as caught:
            dataset.append([good, bad])
        assert "Episode 1" in str(caught.value)
        assert dataset.digest == Dataset.open(dataset.path).digest == digest

    @pytest.mark.parametrize(
        ("what", "origin"),
        [("one", None), ("names", None), ("all", 3), ("all", {"made": object()})],
    )
    def test_refuses_what_is_no_episode_and_no_origin(self, dataset, spec, what, origin):
        one = make_episode(spec, 4)
        given = {"one": one, "names": ["a"], "all": [one]}[what]
        with pytest.raises(ParameterError, match="expected"):
            dataset.append(given, origin)
        assert dataset.steps == 28

    def test_refuses_none(self, dataset):
        with pytest.raises(DatasetError, match="no episodes"):
            dataset.append([])

    def test_refuses_observations_of_another_size_on_load(self, dataset, spec):
        episode = make_episode(spec, 6)
        wider = np.concatenate((episode.observations, episode.observations), axis=1)
        dataset.append([dataclasses.replace(episode, observations=wider)])
        with pytest.raises(DatasetError, match="mixes observations"):
            dataset.load()

    def test_sweeps_what_a_kill_left_behind(self, dataset, spec):
        before = dataset.load()
        leftovers = ["shard-00002.safetensors", "shard-00002.safetensors.tmp", "manifest.json.tmp"]
        for name in leftovers:
            (dataset.path / name).write_bytes(b"half a sh")
        (dataset.path / "notes.txt").write_text("mine")
        reopened = Dataset.open(dataset.path)
        assert_equal(reopened.load(), before)
        reopened.append([make_episode(spec, 2)])
        assert reopened.load().steps == 30
        assert {entry.name for entry in dataset.path.iterdir()} == {
            "manifest.json",
            "notes.txt",
            *(f"shard-{index:05d}.safetensors" for index in range(3)),
        }

    @pytest.mark.parametrize("failing", ["shard-00002.safetensors.tmp", "manifest.json.tmp"])
    def test_a_full_disk_keeps_what_was_there(self, dataset, spec, monkeypatch, failing):
        before = dataset.load()
        write = Path.write_bytes

        def full(self, data):
            if self.name == failing:
                write(self, data[: len(data) // 2])
                raise OSError(28, "No space left on device")
            return write(self, data)

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match="No space left"):
            dataset.append([make_episode(spec, 2)])
        monkeypatch.undo()
        assert_equal(dataset.load(), before)
        assert_equal(Dataset.open(dataset.path).load(), before)
        dataset.append([make_episode(spec, 2)])
        assert Dataset.open(dataset.path).load().steps == 30


class TestOpen:
    @pytest.mark.parametrize("path", [None, 3, ["data"]])
    def test_what_is_no_path(self, path, spec):
        for use in (Dataset.open, open_dataset, lambda path: Dataset.create(path, "Hopper", spec)):
            with pytest.raises(ParameterError, match="expected a path"):
                use(path)

    """Each message says what was got, what was expected and what to do."""

    def refused(self, dataset, *words, task="Hopper"):
        with pytest.raises(DatasetError) as caught:
            Dataset.open(dataset.path, task).load()
        for word in words:
            assert word in str(caught.value)
        assert isinstance(caught.value, OSError)

    def test_missing(self, tmp_path):
        with pytest.raises(DatasetError, match="nothing there"):
            Dataset.open(tmp_path / "nowhere")

    def test_no_manifest(self, tmp_path):
        with pytest.raises(DatasetError, match=r"expected a directory with manifest\.json"):
            Dataset.open(tmp_path)

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', '{"format": "x"}', "\xff"])
    def test_broken_manifest(self, dataset, text):
        (dataset.path / "manifest.json").write_bytes(text.encode("latin-1"))
        self.refused(dataset, "not a dataset's manifest")

    def test_broken_spec(self, dataset):
        edit_manifest(dataset, lambda manifest: manifest["spec"].pop("gravity"))
        self.refused(dataset, "not a dataset's manifest")

    @pytest.mark.parametrize(
        ("change", "key"),
        [
            (lambda m: m.update(task=None), "$.task"),
            (lambda m: m.pop("shards"), "`shards`"),
            (lambda m: m["shards"][1].update(bytes="many"), "$.shards[1].bytes"),
            (lambda m: m["shards"][0].pop("sha256"), "`sha256` - at `$.shards[0]`"),
            (lambda m: m["shards"][0]["sources"].update(random=1.5), "$.shards[0].sources"),
            (lambda m: m["spec"].update(frame_skip=[4]), "$.spec.frame_skip"),
            (lambda m: m["spec"]["joints"][2].update(kind="ball"), "$.spec.joints[2].kind"),
        ],
    )
    def test_wrong_types_are_named(self, dataset, change, key):
        edit_manifest(dataset, change)
        self.refused(dataset, "not a dataset's manifest", key)

    def test_newer_format(self, dataset):
        edit_manifest(dataset, lambda manifest: manifest.update(format=3))
        self.refused(dataset, "format 3", "up to 2", "Upgrade")

    def test_another_task(self, dataset):
        self.refused(dataset, "of Hopper", "one of InvertedPendulum", task="InvertedPendulum")

    def test_empty(self, tmp_path, spec):
        self.refused(Dataset.create(tmp_path / "new", "Hopper", spec), "empty", "Record")

    def test_missing_shard(self, dataset):
        (dataset.path / "shard-00001.safetensors").unlink()
        self.refused(dataset, "shard-00001.safetensors is missing")

    @pytest.mark.parametrize("keep", [0, 7, 500])
    def test_truncated_shard(self, dataset, keep):
        file = dataset.path / "shard-00000.safetensors"
        file.write_bytes(file.read_bytes()[:keep])
        self.refused(dataset, "truncated", f"{keep} bytes")

    def test_corrupt_shard(self, dataset):
        file = dataset.path / "shard-00000.safetensors"
        data = bytearray(file.read_bytes())
        data[-20] ^= 1
        file.write_bytes(data)
        self.refused(dataset, "corrupt", "sha256")

    def test_foreign_shard(self, dataset):
        data = b"a pickle, say"
        (dataset.path / "shard-00000.safetensors").write_bytes(data)

        def agree(manifest):
            manifest["shards"][0]["bytes"] = len(data)
            manifest["shards"][0]["sha256"] = hashlib.sha256(data).hexdigest()

        edit_manifest(dataset, agree)
        self.refused(dataset, "not a safetensors file")

    @pytest.mark.parametrize("name", ["qpos", "qvel"])
    def test_without_full_state(self, dataset, name):
        tamper(dataset, lambda arrays: arrays.pop(name))
        self.refused(dataset, f"no {name}", "qpos and qvel are needed")

    @pytest.mark.parametrize("name", sorted(ROWS))
    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_not_finite(self, dataset, name, value):
        tamper(dataset, lambda arrays: arrays[name].__setitem__(3, value))
        self.refused(dataset, f"{name} is not finite at row 3")

    @pytest.mark.parametrize("name", sorted(ROWS))
    def test_wrong_lengths(self, dataset, name):
        tamper(dataset, lambda arrays: arrays.update({name: arrays[name][:-1].copy()}))
        self.refused(dataset, name, "expected")

    def test_wrong_episode_lengths(self, dataset):
        tamper(dataset, lambda arrays: arrays["lengths"].__setitem__(0, 4))
        self.refused(dataset, "shape", "expected")

    def test_wrong_number_of_ends(self, dataset):
        tamper(dataset, lambda arrays: arrays.update(terminated=np.zeros(9, dtype=bool)))
        self.refused(dataset, "unknown end")
