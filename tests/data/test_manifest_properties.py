"""Whatever a manifest says, it is read as a manifest or refused in one error."""

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learned_envs.card import read_card
from learned_envs.data.folder import MANIFEST
from learned_envs.data.manifest import Manifest, Shard, checksum
from learned_envs.errors import DatasetError

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.integers(10**17, 10**40)
)
plain_data = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12
)
SHARD = {
    "name": "shard-00000.safetensors",
    "bytes": 900,
    "sha256": "0f" * 32,
    "episodes": 2,
    "steps": 7,
    "sources": {"agent:a": 3, "random": 4},
    "origin": {"round": 1},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("manifest")


def small(function):
    """A few examples of each; a shared folder is written anew by every one."""
    check = HealthCheck.function_scoped_fixture
    return settings(max_examples=60, deadline=None, suppress_health_check=[check])(function)


def read(folder, data):
    (folder / MANIFEST).write_bytes(data)
    with suppress(DatasetError):
        manifest = Manifest.read(folder)
        assert manifest.spec.nq == len(manifest.spec.q0)
        assert sum(sum(s.sources.values()) - s.steps for s in manifest.shards) == 0
        # What can be read can be written, and read again.
        manifest.write(folder)
        assert Manifest.read(folder) == manifest


@small
@given(data=st.binary(max_size=200) | st.text().map(str.encode))
def test_any_bytes(folder, data):
    read(folder, data)


@small
@given(plain=plain_data)
def test_any_json(folder, plain):
    read(folder, json.dumps(plain).encode())


@small
@given(data=st.data())
def test_any_value_anywhere_though_the_checksum_fits(folder, data):
    manifest = Manifest(
        task="Hopper", spec=read_card("Hopper").spec, shards=(msgspec.convert(SHARD, Shard),)
    )
    plain = json.loads(json.dumps(msgspec.to_builtins(manifest)))
    place = plain
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(plain_data)
    with suppress(msgspec.ValidationError, ValueError):
        plain["checksum"] = checksum(plain, msgspec.convert(plain, Manifest))
    read(folder, json.dumps(plain).encode())
