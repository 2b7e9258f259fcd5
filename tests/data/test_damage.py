"""Whatever is wrong in a dataset's folder, it opens as it was, or says what is wrong."""

import hashlib
import json
import os

import numpy as np
import pytest
from episodes import assert_equal, edit_manifest, make_episode
from safetensors.numpy import load_file, save

from learned_envs.data.dataset import Dataset
from learned_envs.data.folder import MANIFEST
from learned_envs.data.source import open_dataset
from learned_envs.errors import DatasetError
from learned_envs.systems.reference import spec_of

ODD = [None, True, "", "x" * 2000, "../up", -1, 0, 2**60, 10**40, 1e300, [], {}, [[]], {"a": 1}]
"""What may stand where something else was expected."""


@pytest.fixture(scope="module")
def spec():
    return spec_of("InvertedPendulum")


@pytest.fixture
def dataset(spec, tmp_path):
    dataset = Dataset.create(tmp_path / "data", "InvertedPendulum", spec)
    dataset.append([make_episode(spec, 2), make_episode(spec, 1, 1, "agent")], {"round": 1})
    dataset.append([make_episode(spec, 3)])
    return dataset


def opens_equal_or_refuses(dataset, before):
    """Whether it is refused, in a message that names it; if not, it must be as it was."""
    try:
        found = Dataset.open(dataset.path, "InvertedPendulum")
        recording = found.load()
    except DatasetError as error:
        assert str(dataset.path) in str(error)
        assert str(error).endswith(".")
        return True
    assert found.manifest == dataset.manifest
    assert_equal(recording, before)
    return False


def places(plain, path=()):
    """Find all keys and indices of plain data, at any depth."""
    entries = plain.items() if isinstance(plain, dict) else enumerate(plain)
    for name, value in entries:
        yield (*path, name)
        if isinstance(value, dict | list):
            yield from places(value, (*path, name))


def parent_of(plain, path):
    for name in path[:-1]:
        plain = plain[name]
    return plain


@pytest.mark.parametrize("name", [MANIFEST, "shard-00000.safetensors"])
def test_a_flipped_bit(dataset, name):
    before = dataset.load()
    file = dataset.path / name
    data = file.read_bytes()
    refused = 0
    places = range(0, len(data), 3)
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        file.write_bytes(changed)
        refused += opens_equal_or_refuses(dataset, before)
    # Spaces between the keys of a manifest may become other spaces.
    assert refused > 0.7 * len(places)


@pytest.mark.parametrize("name", [MANIFEST, "shard-00000.safetensors"])
def test_a_file_that_is_cut_or_longer(dataset, name):
    before = dataset.load()
    file = dataset.path / name
    data = file.read_bytes()
    for length in range(0, len(data), 31):
        file.write_bytes(data[:length])
        assert opens_equal_or_refuses(dataset, before)
    file.write_bytes(data + b"x")
    assert opens_equal_or_refuses(dataset, before)


def test_a_key_that_is_missing_or_misspelt_anywhere(dataset):
    before = dataset.load()
    text = (dataset.path / MANIFEST).read_text()
    for path in places(json.loads(text)):
        if isinstance(path[-1], str):
            for other in ({}, {path[-1].upper(): 1}):
                plain = json.loads(text)
                parent = parent_of(plain, path)
                del parent[path[-1]]
                parent.update(other)
                (dataset.path / MANIFEST).write_text(json.dumps(plain))
                assert opens_equal_or_refuses(dataset, before), path


def test_a_value_of_another_kind_anywhere_though_the_checksum_fits(dataset):
    text = (dataset.path / MANIFEST).read_text()
    words = {"origin", "reference_id", "name", "checksum"}
    for path in places(json.loads(text)):
        # Further entries of a list are as its first.
        if words & {*path} or any(isinstance(name, int) and name > 0 for name in path):
            continue
        for odd in ODD:

            def change(plain, path=path, odd=odd):
                parent_of(plain, path)[path[-1]] = odd

            (dataset.path / MANIFEST).write_text(text)
            edit_manifest(dataset, change)
            try:
                Dataset.open(dataset.path, "InvertedPendulum").load()
            except DatasetError as error:
                assert MANIFEST in str(error) or str(dataset.path) in str(error)
            else:
                # A system may have such numbers, no limits, and shapes that touch.
                assert path[0] == "spec", path
                assert odd in (True, -1, 0, None, []), path


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"format":' * 100_000, "9" * 5000, '{"format": 2, "task": NaN}', "\ufeff{}"],
)
def test_text_that_parsers_choke_on(dataset, text):
    (dataset.path / MANIFEST).write_text(text)
    assert opens_equal_or_refuses(dataset, None)


def test_a_folder_or_a_link_in_place_of_a_file(dataset, tmp_path):
    for name in (MANIFEST, "shard-00001.safetensors"):
        file = dataset.path / name
        kept = file.rename(tmp_path / "kept")
        file.mkdir()
        assert opens_equal_or_refuses(dataset, None)
        file.rmdir()
        file.symlink_to(file)
        assert opens_equal_or_refuses(dataset, None)
        file.unlink()
        kept.rename(file)


def test_a_shard_stays_in_its_folder(dataset, tmp_path):
    file = dataset.path / "shard-00001.safetensors"
    outside = file.rename(tmp_path / file.name)
    for name in (f"../{file.name}", str(outside), f"x/../../{file.name}", f"..\\{file.name}"):
        edit_manifest(dataset, lambda plain, name=name: plain["shards"][1].update(name=name))
        with pytest.raises(DatasetError, match=r"shards\[1\]\.name"):
            Dataset.open(dataset.path)
    edit_manifest(dataset, lambda plain: plain["shards"][1].update(name=file.name))
    file.symlink_to(outside)
    with pytest.raises(DatasetError, match="leads out of the dataset"):
        Dataset.open(dataset.path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("lengths", lambda a: a + 1),
        ("lengths", lambda a: -a),
        ("lengths", lambda a: a * 2**62),
        ("lengths", lambda a: a[:1]),
        ("lengths", lambda a: a[None]),
        ("lengths", lambda a: a.astype(np.int32)),
        ("terminated", lambda a: a.astype(np.int8)),
        ("source", lambda a: a + 1),
        ("source", lambda a: a - 1),
        ("source", lambda a: 1 - a),
        ("seeds", lambda a: a.astype(np.float64)),
        ("seeds", lambda a: a[:0]),
        ("qpos", lambda a: a.astype(np.float32)),
        ("qvel", lambda a: a.astype(np.complex64)),
        ("actions", lambda a: a[..., None]),
        ("rewards", lambda a: a.reshape(1, -1)),
        ("observations", lambda a: a.sum()),
        ("column.force", lambda _: np.zeros(())),
        ("column.force", lambda _: np.zeros(5)),
        ("column.force", lambda _: np.full((5, 2), np.nan)),
        ("notes", lambda _: np.zeros(5)),
    ],
)
def test_arrays_that_do_not_fit_though_the_checksums_do(dataset, name, change):
    file = dataset.path / "shard-00000.safetensors"
    arrays = load_file(file)
    data = save({**arrays, name: np.ascontiguousarray(change(arrays.get(name)))})
    file.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    edit_manifest(dataset, lambda plain: plain["shards"][0].update(bytes=len(data), sha256=sha256))
    assert opens_equal_or_refuses(dataset, None)


@pytest.mark.parametrize(
    "entry",
    [{"episodes": 1}, {"steps": 2}, {"sources": {"agent": 2, "random": 1}}, {"sources": {"me": 3}}],
)
def test_a_shard_that_is_not_as_the_manifest_says(dataset, entry):
    edit_manifest(dataset, lambda plain: plain["shards"][0].update(entry))
    assert opens_equal_or_refuses(dataset, None)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_files_that_may_not_be_read(dataset):
    for name in (MANIFEST, "shard-00001.safetensors"):
        (dataset.path / name).chmod(0)
        assert opens_equal_or_refuses(dataset, None)
        (dataset.path / name).chmod(0o600)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "x" * 300 + "-v0"])
def test_names_that_a_file_system_refuses(tmp_path, name):
    with pytest.raises(DatasetError):
        open_dataset(tmp_path / name, "Hopper", lambda: spec_of("Hopper"))
    with pytest.raises(DatasetError):
        open_dataset(name, "Hopper", lambda: spec_of("Hopper"))
