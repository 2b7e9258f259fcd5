"""Weights in half precision take half the room in a file, and nothing else changes."""

import shutil

import torch

from learned_envs.checkpoint import load_checkpoint, save_checkpoint
from learned_envs.dynamics.half import round_weights


def test_rounded_weights_are_stored_in_half_and_read_as_they_are(checkpoint, tmp_path):
    path = checkpoint("Hopper")
    dynamics, card = load_checkpoint(path)
    rounded, before = tmp_path / "half.safetensors", path.stat().st_size
    save_checkpoint(rounded, round_weights(dynamics), card)
    matrices = sum(w.nbytes for n, w in dynamics.named_parameters() if n.endswith("weight"))
    # Headers differ by the names of types.
    assert abs(before - rounded.stat().st_size - matrices / 2) < 100
    again, _ = load_checkpoint(rounded)
    for name, tensor in dynamics.state_dict().items():
        assert again.state_dict()[name].dtype == tensor.dtype
        assert torch.equal(again.state_dict()[name], tensor), name
    # What is written again, with other entries in its card, say, stays as small.
    save_checkpoint(tmp_path / "again.safetensors", again, card)
    assert (tmp_path / "again.safetensors").stat().st_size == rounded.stat().st_size


def test_other_weights_lose_nothing(checkpoint, tmp_path):
    path = shutil.copy(checkpoint("Hopper"), tmp_path / "Hopper.safetensors")
    dynamics, card = load_checkpoint(path)
    save_checkpoint(tmp_path / "again.safetensors", dynamics, card)
    assert load_checkpoint(tmp_path / "again.safetensors")[1]["sha256"] == card["sha256"]
