"""Damaged datasets: each opens as it was, or is refused by one error of ours."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz_damage import damaged, dumped, mutated
from fuzz_work import EQUAL, FAULT, WORKS, Kind, Verdict, judged

from learned_envs.card import read_card
from learned_envs.data.dataset import Dataset
from learned_envs.data.folder import MANIFEST
from learned_envs.data.recording import Array, Episode, Recording
from learned_envs.data.source import open_dataset


@dataclass(frozen=True)
class Data:
    """A whole dataset: where it lies, and what it holds."""

    path: Path
    task: str
    recording: Recording
    manifest: Any


def episode(spec: Any, steps: int, seed: int) -> Episode:
    """Make an episode up; its numbers are smooth enough to be believed."""
    rng = np.random.default_rng(seed)
    time = np.arange(steps + 1)[:, None] * spec.dt

    def wave(size: int) -> Array:
        return np.asarray(np.sin(time * rng.uniform(1, 3, size) + rng.uniform(0, 6, size)))

    return Episode(
        qpos=wave(spec.nq) + np.array(spec.q0),
        qvel=wave(spec.nv),
        observations=wave(4),
        actions=rng.uniform(-1, 1, (steps, spec.nu)).astype(np.float32),
        rewards=rng.normal(size=steps),
        terminated=bool(seed % 2),
        truncated=not seed % 2,
        seed=seed,
        actor=("random", "agent:a")[seed % 2],
    )


def dataset(folder: Path) -> Data:
    """Make a small dataset of two shards."""
    spec = read_card("InvertedPendulum").spec
    path = folder / "data"
    made = Dataset.create(path, "InvertedPendulum", spec)
    made.append([episode(spec, 5, 0), episode(spec, 1, 1)], {"round": 1})
    made.append([episode(spec, 7, 2)])
    opened = Dataset.open(path)
    return Data(path, "InvertedPendulum", opened.load(), opened.manifest)


def recorded(folder: Path) -> Data:
    """Record a few real steps, which what fits models to data believes."""
    from learned_envs.fit import collect

    path = folder / "data"
    opened = collect("InvertedPendulum", 90, path, workers=1)
    return Data(path, "InvertedPendulum", opened.load(), opened.manifest)


def minari_set(folder: Path) -> Data:
    """Write a dataset in Minari's format, and read that."""
    from learned_envs.data.minari_export import export_minari

    whole = recorded(folder)
    path = export_minari(Dataset.open(whole.path), folder / "minari")
    opened = open_dataset(path, whole.task, lambda: Dataset.open(whole.path).spec)
    return Data(path, whole.task, opened.load(), opened.spec)


def differs(one: Recording, other: Recording) -> str:
    """Return what differs between two recordings; nothing if they are equal."""
    for each in dataclasses.fields(one):
        a, b = getattr(one, each.name), getattr(other, each.name)
        if isinstance(a, Mapping):
            same = a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
        else:
            same = np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype
        if not same:
            return each.name
    return ""


def open_data(path: Path, whole: Data, compare: bool) -> Verdict:
    """Open a dataset and read all of it."""
    spec = whole.manifest if not hasattr(whole.manifest, "spec") else whole.manifest.spec
    found = open_dataset(path, whole.task, lambda: spec)
    recording = found.load()
    if found.steps != recording.steps or found.episodes != len(recording):
        return FAULT, f"it says {found.steps} steps and holds {recording.steps}"
    if not compare:
        return WORKS, ""
    if isinstance(found, Dataset) and found.manifest != whole.manifest:
        return FAULT, "it opened with another manifest"
    if other := differs(recording, whole.recording):
        return FAULT, f"it opened with other {other}"
    return EQUAL, ""


@dataclass(frozen=True)
class DataCase:
    """A case of a dataset.

    Attributes:
        change: changes a copy of one; it returns what it did, and whether what opens is to be
            compared with what was there.
    """

    change: Callable[[Random, Path], tuple[str, bool]]

    def __call__(self, random: Random, whole: Data, folder: Path) -> Verdict:
        """Change a copy and open it."""
        path = folder / "data"
        shutil.copytree(whole.path, path)
        said, compare = self.change(random, path)
        verdict, more = judged(lambda: open_data(path, whole, compare), said)
        return verdict, more if more.startswith(said) else f"{said}: {more}"


def some_file(random: Random, path: Path) -> Path:
    """Choose a file of a folder."""
    return random.choice(sorted(p for p in path.rglob("*") if p.is_file() and p.stat().st_size))


def data_bytes(random: Random, path: Path) -> tuple[str, bool]:
    """Damage the bytes of a file."""
    file = some_file(random, path)
    data, said = damaged(file.read_bytes(), random)
    file.write_bytes(data)
    return f"{file.relative_to(path)}: {said}", True


def manifests(random: Random, path: Path) -> tuple[str, bool]:
    """Change the manifest and leave its checksum."""
    file = path / MANIFEST
    plain, said = mutated(json.loads(file.read_text()), random)
    # Keys of users' own may be added: what the schema knows is compared.
    file.write_text(dumped(plain))
    return f"manifest: {said}", True


def sealed_manifests(random: Random, path: Path) -> tuple[str, bool]:
    """Change the manifest and its checksum with it, as somebody may on purpose."""
    file = path / MANIFEST
    plain, said = mutated(json.loads(file.read_text()), random)
    if isinstance(plain, dict):
        rest = {name: value for name, value in plain.items() if name != "checksum"}
        text = dumped(rest)
        plain["checksum"] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    file.write_text(dumped(plain))
    return f"manifest, sealed again: {said}", False


def folders(random: Random, path: Path) -> tuple[str, bool]:
    """Change what lies in the folder, and not what is in a file."""
    files = sorted(p for p in path.iterdir() if not p.name.startswith("."))
    one, other = random.choice(files), random.choice(files)
    match random.randrange(8):
        case 0:
            shutil.rmtree(one) if one.is_dir() else one.unlink()
            return f"{one.name} removed", True
        case 1:
            one.rename(path / "other")
            return f"{one.name} renamed", True
        case 2:
            here = path / "held"
            one.rename(here), other.rename(one) if other != one else None
            here.rename(other)
            return f"{one.name} and {other.name} swapped", True
        case 3:
            shutil.rmtree(one) if one.is_dir() else one.unlink()
            one.mkdir()
            return f"{one.name} is a folder", True
        case 4:
            outside = path.parent / "outside"
            one.rename(outside)
            one.symlink_to(outside)
            return f"{one.name} is a link to outside", True
        case 5:
            one.unlink() if one.is_file() else shutil.rmtree(one)
            one.symlink_to(one)
            return f"{one.name} is a link to itself", True
        case 6:
            (path / random.choice(("notes.txt", "shard-00009.safetensors", ".tmp"))).write_text("x")
            return "another file beside it", True
    one.unlink() if one.is_file() else shutil.rmtree(one)
    os.mkfifo(one)
    return f"{one.name} is a pipe", True


def sealed_shards(random: Random, path: Path) -> tuple[str, bool]:
    """Change arrays of a shard, and the manifest with it, as somebody may on purpose."""
    from safetensors.numpy import load, save

    opened = Dataset.open(path)
    file = path / opened.shards[0].name
    arrays = load(file.read_bytes())
    name = random.choice(sorted(arrays))
    array = arrays[name]
    how = random.choice(("nan", "huge", "type", "short", "flat", "gone", "more", "negative"))
    if how in ("nan", "huge", "negative"):
        value: float = {"nan": np.nan, "huge": 1e300, "negative": -1}[how]
        with np.errstate(all="ignore"):
            array = array.copy()
            array.flat[random.randrange(array.size)] = np.asarray(value).astype(array.dtype)
    elif how == "type":
        array = array.astype(random.choice((np.float16, np.int8, np.float32, np.uint64)))
    elif how == "short":
        array = array[:-1]
    elif how == "flat":
        array = array.reshape(-1)
    arrays = {**arrays, name: array}
    if how == "gone":
        del arrays[name]
    elif how == "more":
        arrays["more"] = array
    data = save(arrays)
    file.write_bytes(data)
    manifest = json.loads((path / MANIFEST).read_text())
    entry = manifest["shards"][0]
    entry["bytes"], entry["sha256"] = len(data), hashlib.sha256(data).hexdigest()
    rest = {key: value for key, value in manifest.items() if key != "checksum"}
    manifest["checksum"] = hashlib.sha256(json.dumps(rest).encode()).hexdigest()
    (path / MANIFEST).write_text(json.dumps(manifest))
    return f"{name} {how}, sealed again", False


def minari_bytes(random: Random, path: Path) -> tuple[str, bool]:
    """Damage a Minari set. Its files have no checksums, so that other numbers may open."""
    file = some_file(random, path)
    if file.suffix == ".json" and random.random() < 0.6:
        plain, said = mutated(json.loads(file.read_text()), random)
        file.write_text(dumped(plain))
    else:
        data, said = damaged(file.read_bytes(), random)
        file.write_bytes(data)
    return f"{file.relative_to(path)}: {said}", False


DATASETS = (
    Kind("datasets, bytes", dataset, DataCase(data_bytes)),
    Kind("manifests", dataset, DataCase(manifests)),
    Kind("manifests, sealed again", dataset, DataCase(sealed_manifests)),
    Kind("shards, sealed again", dataset, DataCase(sealed_shards)),
    Kind("folders of datasets", dataset, DataCase(folders)),
    Kind("Minari's sets", minari_set, DataCase(minari_bytes)),
)
