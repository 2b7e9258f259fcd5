import dataclasses
import errno
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from cards import rewrite, stored
from safetensors.torch import load_file, save_file

from learned_envs import registry
from learned_envs.card import checksum, read_card
from learned_envs.checkpoint import digest, find_device, load_checkpoint, save_checkpoint
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.errors import CheckpointError, DeviceError, OutputError, UnknownNameError
from learned_envs.simulation import Simulation
from learned_envs.state import State


@pytest.fixture(scope="module")
def model(spec):
    torch.manual_seed(0)
    return Ensemble(SecondOrder(hidden=(8, 8)), spec("Hopper"), members=2)


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / "fit" / "model.safetensors"
    save_checkpoint(path, model, {"task": "Hopper", "seed": 3})
    return path


class TestRoundTrip:
    def test_weights_and_card(self, model, path):
        loaded, card = load_checkpoint(path, task="Hopper")
        assert loaded.family == model.family
        assert loaded.spec == model.spec
        assert (card["task"], card["seed"], card["members"]) == ("Hopper", 3, 2)
        state = State(torch.tensor([model.spec.q0]), torch.zeros(1, 6))
        one, other = (m.step(state, torch.zeros(1, 3)).state for m in (model, loaded))
        assert torch.equal(one.q, other.q)
        assert torch.equal(one.v, other.v)
        assert not any(parameter.requires_grad for parameter in loaded.parameters())

    def test_a_folder_stands_for_the_weights_in_it(self, path):
        assert read_card(path.parent) == read_card(str(path))
        assert load_checkpoint(path.parent)[1] == read_card(path).plain

    def test_the_same_weights_and_card_give_the_same_bytes(self, model, path, tmp_path):
        save_checkpoint(tmp_path / "again", model, {"seed": 3, "task": "Hopper"})
        assert (tmp_path / "again").read_bytes() == path.read_bytes()

    def test_others_may_read_it(self, path):
        mask = os.umask(0)
        os.umask(mask)
        assert path.stat().st_mode & 0o777 == 0o666 & ~mask

    def test_the_card_is_read_without_torch(self, path):
        code = (
            "import sys; from learned_envs.card import read_card; "
            f"assert read_card({str(path)!r}).task == 'Hopper'; "
            "assert 'torch' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


class TestSensors:
    def test_they_are_stored_by_name(self, spec, tmp_path):
        task = "InvertedDoublePendulum"
        sensors = registry.task_class(task).create(spec(task), {}).sensors
        model = Ensemble(SecondOrder(hidden=(8,)), spec(task), 2, sensors)
        state, action = State(torch.zeros(5, 3), torch.zeros(5, 3)), torch.zeros(5, 1)
        model.head.normalise(state, action, {s.name: torch.randn(5, s.size) for s in sensors})
        save_checkpoint(tmp_path / "w", model, {"task": task})
        loaded, card = load_checkpoint(tmp_path / "w")
        assert card["sensors"] == [{"name": s.name, "size": s.size} for s in sensors]
        ours, theirs = (each.step(state, action).readings for each in (loaded, model))
        assert ours.keys() == theirs.keys() == {sensor.name for sensor in sensors}
        assert all(torch.equal(read, theirs[name]) for name, read in ours.items())

    def test_a_card_from_before_sensors_has_none(self, model, path):
        rewrite(path, sensors=None)
        assert load_checkpoint(path)[0].head is None

    def test_a_model_without_what_its_task_observes_is_refused(self, spec, tmp_path):
        task = "InvertedDoublePendulum"
        model = Ensemble(SecondOrder(hidden=(8,)), spec(task), 2)
        save_checkpoint(tmp_path / "w", model, {"task": task})
        for load in (load_checkpoint, Simulation.load):
            with pytest.raises(CheckpointError, match="qfrc_constraint of the cart"):
                load(tmp_path / "w")


class TestBadFiles:
    @pytest.fixture(autouse=True)
    def refused(self, path):
        yield
        for read in (load_checkpoint, read_card):
            if read is load_checkpoint or self.in_card:
                with pytest.raises(CheckpointError) as caught:
                    read(path, task="Hopper")
                assert self.message in str(caught.value)
                assert str(path) in str(caught.value)

    in_card = True
    message = "not a readable checkpoint"

    @pytest.mark.parametrize("length", [0, 4, 100, -1])
    def test_truncated(self, path, length):
        path.write_bytes(path.read_bytes()[:length])

    def test_trailing_bytes(self, path):
        path.write_bytes(path.read_bytes() + b"more")

    def test_a_pickle_by_another_name(self, path, model):
        torch.save(model.state_dict(), path)
        assert zipfile.is_zipfile(path)

    def test_a_plain_pickle(self, path):
        path.write_bytes(pickle.dumps({"card": 1}))

    def test_foreign_weights(self, path):
        save_file({"weight": torch.zeros(3)}, path)

    @pytest.mark.parametrize("card", ["", "[]", "3", "{}", '{"format": "new"}'])
    def test_a_card_that_is_none(self, path, card):
        save_file({"weight": torch.zeros(3)}, path, {"card": card})

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_tensors_that_are_not_finite(self, path, value):
        tensors = load_file(path)
        tensors["model.network.layers.0.weight"][1, 2, 3] = value
        card = {**stored(path), "sha256": digest(tensors)}
        save_file(tensors, path, {"card": json.dumps({**card, "checksum": checksum(card)})})
        self.message = "model.network.layers.0.weight are not finite"
        self.in_card = False

    def test_a_newer_format(self, path):
        rewrite(path, format=99)
        self.message = "Upgrade learned-envs"

    def test_another_task(self, path):
        rewrite(path, task="InvertedPendulum")
        self.message = "expected Hopper"

    @pytest.mark.parametrize(
        "changes",
        [
            {"members": 3},
            {"config": {"hidden": [9, 8]}},
            {"config": {"width": 3}},
        ],
    )
    def test_a_card_that_does_not_fit(self, path, changes):
        rewrite(path, **changes)
        self.in_card = False
        self.message = "do not fit its card"

    def test_an_unknown_family(self, path):
        rewrite(path, family="perpetuum_mobile")
        self.in_card = False
        self.message = "Unknown family 'perpetuum_mobile'. Known:"


def test_no_flipped_byte_goes_unnoticed(path):
    data = path.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    for place in [*range(0, header, 97), *range(header, len(data), 997)]:
        damaged = bytearray(data)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        try:
            loaded, _ = load_checkpoint(path, task="Hopper")
        except CheckpointError:
            continue
        # What may change is how the header is laid out; what it says may not.
        path.write_bytes(data)
        true, _ = load_checkpoint(path)
        for name, tensor in true.state_dict().items():
            assert torch.equal(tensor, loaded.state_dict()[name]), place


class TestMissing:
    def test_no_file(self, tmp_path):
        for source in (tmp_path / "no.safetensors", tmp_path / "runs" / "none"):
            with pytest.raises(CheckpointError, match="no checkpoint at"):
                load_checkpoint(source)

    def test_a_folder_without_weights(self, tmp_path):
        with pytest.raises(CheckpointError, match=r"holds no model\.safetensors"):
            load_checkpoint(tmp_path)

    def test_a_folder_where_the_weights_should_be(self, tmp_path):
        (tmp_path / "model.safetensors").mkdir()
        with pytest.raises(CheckpointError):
            load_checkpoint(tmp_path)

    @pytest.mark.parametrize("name", ["Hoper", "LearnedSim-Hoper-v0"])
    def test_an_unknown_name(self, name):
        with pytest.raises(UnknownNameError, match=r"Did you mean '.*Hopper"):
            load_checkpoint(name)

    def test_no_device(self, path):
        for device in ("cuda:99", "abacus"):
            with pytest.raises(DeviceError, match="device='cpu'"):
                load_checkpoint(path, device)
        assert find_device("cpu").type == "cpu"


class TestFailedWrites:
    def test_a_full_disk_keeps_the_old_file(self, model, path, monkeypatch):
        before = path.read_bytes()

        def full(self, data):
            with self.open("wb") as file:
                file.write(data[:100])
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match="No space left"):
            save_checkpoint(path, model, {"task": "Hopper"})
        assert path.read_bytes() == before
        assert [entry.name for entry in path.parent.iterdir()] == [path.name]

    def test_a_place_that_cannot_be_written_to(self, model, path):
        with pytest.raises(OutputError, match="give another path"):
            save_checkpoint(path / "below" / "a-file", model, {"task": "Hopper"})

    def test_a_family_that_no_catalogue_holds_writes_nothing(self, model, tmp_path):
        @dataclasses.dataclass(frozen=True)
        class Mine(SecondOrder):
            pass

        own = Ensemble(Mine(hidden=(8,)), model.spec, members=1)
        with pytest.raises(UnknownNameError, match="family 'Mine'"):
            save_checkpoint(tmp_path / "w", own, {"task": "Hopper"})
        assert not list(tmp_path.iterdir())

    def test_a_card_that_is_no_plain_data_writes_nothing(self, model, tmp_path):
        for note in (float("nan"), float("inf"), {1, 2}, {("a", "tuple"): 1}):
            with pytest.raises(CheckpointError, match="JSON"):
                save_checkpoint(tmp_path / "w", model, {"task": "Hopper", "note": note})
        assert not list(tmp_path.iterdir())
