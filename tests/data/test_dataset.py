import dataclasses
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from learned_envs.data.dataset import Dataset
from learned_envs.data.recording import ROWS, Episode, Recording
from learned_envs.errors import DatasetError, OutputError
from learned_envs.systems.reference import describe, make_reference


@pytest.fixture(scope="module")
def spec():
    env = make_reference("Hopper")
    yield describe(env)
    env.close()


def make_episode(spec, steps, seed=0, actor="random", terminated=True):
    rng = np.random.default_rng(seed)
    return Episode(
        qpos=rng.normal(size=(steps + 1, spec.nq)),
        qvel=rng.normal(size=(steps + 1, spec.nv)),
        observations=rng.normal(size=(steps + 1, 11)),
        actions=rng.normal(size=(steps, spec.nu)).astype(np.float32),
        rewards=rng.normal(size=steps),
        terminated=terminated,
        truncated=not terminated,
        seed=seed,
        actor=actor,
    )


@pytest.fixture
def episodes(spec):
    lengths = (5, 1, 12, 7, 3)
    return [
        make_episode(spec, length, seed, ("random", "agent:a")[seed % 2], bool(seed % 3))
        for seed, length in enumerate(lengths)
    ]


@pytest.fixture
def dataset(tmp_path, spec, episodes):
    dataset = Dataset.create(tmp_path / "data", "Hopper", spec)
    dataset.append(episodes[:3])
    dataset.append(episodes[3:], {"round": 1})
    return dataset


def assert_equal(one, other):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert np.array_equal(a, b), field.name
        if field.name in ROWS:
            assert a.dtype == b.dtype == ROWS[field.name]


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


def edit_manifest(dataset, change):
    file = dataset.path / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


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


class TestManifest:
    def test_one_from_before_masses_and_origins(self, dataset, spec):
        def older(manifest):
            for body in manifest["spec"]["bodies"]:
                for name in ("mass", "inertia", "inertial_pos", "inertial_quat"):
                    del body[name]
            for shard in manifest["shards"]:
                del shard["origin"]

        before = dataset.load()
        edit_manifest(dataset, older)
        reopened = Dataset.open(dataset.path, "Hopper")
        assert_equal(reopened.load(), before)
        assert [shard.origin for shard in reopened.shards] == [{}, {}]
        assert reopened.spec.bodies[1].mass is None
        reopened.append([make_episode(spec, 2)])
        assert Dataset.open(dataset.path).load().steps == 30

    def test_keys_of_users_own_stay(self, dataset, spec):
        def annotate(manifest):
            manifest["note"] = "mine"
            manifest["shards"][0]["note"] = "the good ones"

        edit_manifest(dataset, annotate)
        Dataset.open(dataset.path).append([make_episode(spec, 2)])
        manifest = json.loads((dataset.path / "manifest.json").read_text())
        assert manifest["note"] == "mine"
        assert [shard.get("note") for shard in manifest["shards"]] == ["the good ones", None, None]

    def test_an_origin_that_is_no_plain_data_writes_nothing(self, dataset, spec):
        before = sorted(dataset.path.iterdir())
        with pytest.raises(ValueError, match="JSON"):
            dataset.append([make_episode(spec, 2)], {"score": math.nan})
        assert sorted(dataset.path.iterdir()) == before


class TestRecording:
    @pytest.mark.parametrize("length", [1, 2, 5, 12, 13])
    def test_windows_stay_in_one_episode(self, dataset, length):
        recording = dataset.load()
        expected = [
            start + i
            for start, steps in zip(recording.offsets, recording.lengths, strict=True)
            for i in range(steps - length + 1)
        ]
        assert recording.windows(length).tolist() == expected

    def test_split_is_a_partition_by_episode(self, dataset):
        recording = dataset.load()
        rest, held = recording.split(0.4, seed=3)
        assert len(rest) + len(held) == len(recording) == 5
        assert sorted([*rest.seeds, *held.seeds]) == sorted(recording.seeds)
        for part in (rest, held):
            for index, seed in enumerate(part.seeds):
                assert_equal(part.episode(index), recording.episode(int(seed)))

    def test_split_follows_the_seed(self, dataset):
        recording = dataset.load()
        assert_equal(recording.split(0.4, 3)[1], recording.split(0.4, 3)[1])
        held = {tuple(recording.split(0.4, seed)[1].seeds) for seed in range(8)}
        assert len(held) > 1

    @pytest.mark.parametrize("fraction", [0.0, 1.0])
    def test_split_leaves_neither_part_empty(self, dataset, fraction):
        rest, held = dataset.load().split(fraction, 0)
        assert len(rest) >= 1
        assert len(held) >= 1

    def test_split_of_one_episode(self, dataset):
        with pytest.raises(DatasetError, match="at least 2"):
            dataset.load().select([0]).split(0.5, 0)


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
        edit_manifest(dataset, lambda manifest: manifest.update(format=2))
        self.refused(dataset, "format 2", "up to 1", "Upgrade")

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


def test_episodes_stay_on_their_side_of_a_split_where_others_are_added(spec):
    every = [make_episode(spec, 3, seed) for seed in range(60)]
    rest, held_out = Recording.of(every[:40]).split(0.2, seed=3)
    more, held_out_more = Recording.of(every).split(0.2, seed=3)
    assert set(rest.seeds) <= set(more.seeds)
    assert set(held_out.seeds) <= set(held_out_more.seeds)
    assert len(rest) + len(held_out) == 40
