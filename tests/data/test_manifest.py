"""What a manifest may say, of older versions and of users' own."""

import json
import math

import pytest
from episodes import assert_equal, edit_manifest, make_episode

from learned_envs.data.dataset import Dataset


def test_one_from_before_masses_and_origins(dataset, spec):
    def older(manifest):
        for body in manifest["spec"]["bodies"]:
            for name in ("mass", "inertia", "inertial_pos", "inertial_quat"):
                del body[name]
        for shard in manifest["shards"]:
            del shard["origin"]
        manifest["format"] = 1
        del manifest["checksum"]

    before = dataset.load()
    edit_manifest(dataset, older)
    reopened = Dataset.open(dataset.path, "Hopper")
    assert_equal(reopened.load(), before)
    assert [shard.origin for shard in reopened.shards] == [{}, {}]
    assert reopened.spec.bodies[1].mass is None
    reopened.append([make_episode(spec, 2)])
    assert Dataset.open(dataset.path).load().steps == 30


def test_keys_of_users_own_stay(dataset, spec):
    def annotate(manifest):
        manifest["note"] = "mine"
        manifest["shards"][0]["note"] = "the good ones"

    edit_manifest(dataset, annotate)
    Dataset.open(dataset.path).append([make_episode(spec, 2)])
    manifest = json.loads((dataset.path / "manifest.json").read_text())
    assert manifest["note"] == "mine"
    assert [shard.get("note") for shard in manifest["shards"]] == ["the good ones", None, None]


def test_an_origin_that_is_no_plain_data_writes_nothing(dataset, spec):
    before = sorted(dataset.path.iterdir())
    with pytest.raises(ValueError, match="JSON"):
        dataset.append([make_episode(spec, 2)], {"score": math.nan})
    assert sorted(dataset.path.iterdir()) == before
