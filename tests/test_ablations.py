"""Every variant that the ablations compare can be trained."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from learned_envs import Simulation, catalogue
from learned_envs.fit import TrainingConfig, collect, training
from learned_envs.fit.evaluation import compare

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from ablation_cell import fit_variant
from ablation_variants import VARIANTS, register


@pytest.fixture(scope="module")
def hopper(tmp_path_factory):
    """The system, and random episodes to learn from and to hold out, a few of them long ones."""
    dataset = collect("Hopper", 4000, tmp_path_factory.mktemp("data") / "d", workers=1)
    return dataset.spec, dataset.load().split(0.5, 0)


@pytest.mark.parametrize("name", VARIANTS)
def test_it_takes_a_training_step_and_predicts(name, hopper, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "FAMILIES", dict(catalogue.FAMILIES))
    monkeypatch.setattr(training, "CHECKED_WINDOWS", 4)
    monkeypatch.setattr(training, "NORMALISED_STEPS", 500)
    register()
    spec, recordings = hopper
    variant = VARIANTS[name]
    variant = replace(variant, family=replace(variant.family, hidden=(16, 16)))
    config = replace(TrainingConfig(members=1, updates=1, batch_size=4), **variant.training)
    dynamics = fit_variant(variant, recordings, spec, "Hopper", config, tmp_path)
    assert all(torch.isfinite(parameter).all() for parameter in dynamics.parameters())
    simulation = Simulation(catalogue.task_class("Hopper").create(spec, {}), dynamics)
    predictors = {"model": variant.predictor(simulation, recordings[1])}
    report = compare(recordings[1], simulation, predictors, (1, 10), trajectories=4)
    assert all(0 < error < torch.inf for error in report.curve("model").median)
