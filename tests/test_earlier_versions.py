"""What earlier versions left on a disk is read, and gone on with, by today's.

`fixtures/make.py` says how the folders were made: each once, by the code of its own version.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.make import INTERRUPTED, TASK, UPDATES, predictions, small_improver

from learned_envs.data.dataset import Dataset
from learned_envs.errors import CheckpointError
from learned_envs.fit import fit
from learned_envs.fit.observer import Observer
from learned_envs.sb3 import Agent

FIXTURES = Path(__file__).parent / "fixtures"
VERSIONS = sorted(path.parent.name for path in FIXTURES.glob("*/expected.json"))
EXPECTED = {name: json.loads((FIXTURES / name / "expected.json").read_text()) for name in VERSIONS}
MODELS = [(name, model) for name in VERSIONS for model in EXPECTED[name]["models"]]

every_version = pytest.mark.parametrize("version", VERSIONS)


def test_the_first_release_is_among_them() -> None:
    assert "v0.1.0" in VERSIONS


@pytest.mark.parametrize(("version", "model"), MODELS)
def test_a_checkpoint_predicts_what_it_predicted(version: str, model: str) -> None:
    expected = EXPECTED[version]["models"][model]
    found = predictions(FIXTURES / version / model)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        # Float32 rounding in another order of summation, over five steps: 2e-7 measured on the
        # machine that made them. Other processors have other kernels.
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-4)


@every_version
def test_a_dataset_is_read_whole(version: str) -> None:
    expected = EXPECTED[version]["data"]
    dataset = Dataset.open(FIXTURES / version / "fit" / "data", TASK)
    recording = dataset.load()
    assert dataset.digest == expected["digest"]
    assert dataset.actors == expected["sources"]
    assert recording.lengths.tolist() == expected["lengths"]
    for name, mean in expected["means"].items():
        # Float64 rounding of a sum of 150 numbers near 1.
        np.testing.assert_allclose(getattr(recording, name).mean(0), mean, rtol=0, atol=1e-12)


@every_version
def test_a_fit_goes_on_where_it_was_stopped(version: str, tmp_path: Path) -> None:
    out = Path(shutil.copytree(FIXTURES / version / "fit", tmp_path / "fit"))
    seen: list[int] = []
    observer = Observer(trained=lambda progress, _: seen.append(progress.update))
    simulation = fit(TASK, out, resume=True, device="cpu", observer=observer)
    assert seen == list(range(INTERRUPTED + 1, UPDATES + 1))
    assert np.isfinite(simulation.card["disagreement_threshold"])
    assert simulation.card["data"]["sha256"] == EXPECTED[version]["data"]["digest"]


@pytest.mark.parametrize("version", [v for v in VERSIONS if (FIXTURES / v / "rounds").is_dir()])
def test_rounds_go_on_where_they_were_stopped(version: str, tmp_path: Path) -> None:
    out = Path(shutil.copytree(FIXTURES / version / "rounds", tmp_path / "rounds"))
    (first,) = json.loads((out / "rounds.json").read_text())
    trust_agents(out)
    seen: list[int] = []
    improved: list[Any] = []
    observer = Observer(
        trained=lambda progress, _: seen.append(progress.update), improved=improved.append
    )
    card = fit(
        TASK, out, improver=small_improver, resume=True, device="cpu", observer=observer
    ).card
    assert seen == list(range(INTERRUPTED + 1, UPDATES + 1))
    assert [round.number for round in improved] == [2]
    assert card["rounds"][0] == first
    assert (out / "agent" / "agent.safetensors").is_file()


def test_rounds_refuse_an_agent_that_could_run_code(tmp_path: Path) -> None:
    out = Path(shutil.copytree(FIXTURES / "2026-11-25" / "rounds", tmp_path / "rounds"))
    with pytest.raises(CheckpointError, match=r"round-01/agent holds an agent\.zip"):
        fit(TASK, out, improver=small_improver, resume=True, device="cpu")


def trust_agents(out: Path) -> None:
    """Do what the error says to do about an agent that was stored as a pickle."""
    for archive in out.glob("round-*/agent/agent.zip"):
        Agent.load(archive).save(archive.parent)
        assert not archive.exists()
