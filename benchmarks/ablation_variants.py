"""What the ablations compare: each variant differs from the base in one ingredient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from ablation_families import History, Structured, Unnormalised
from ablation_training import (
    NoisyTrajectories,
    Remembering,
    TrajectoriesWithPast,
    Unbounded,
    Unclamped,
    model_with_past,
)

from learned_envs import catalogue
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.dynamics import Family
from learned_envs.dynamics.residual_mlp import ResidualMLP
from learned_envs.dynamics.rigid_body_residual import RigidBodyResidual
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.fit.evaluation import Predictor, model_of
from learned_envs.fit.recording import Recording
from learned_envs.fit.trajectories import Trajectories
from learned_envs.simulation import Simulation
from learned_envs.state import SystemSpec

BASE = "base"

Load = Callable[[Recording, SystemSpec, torch.device | str, Iterable[int]], Trajectories]
"""Makes episodes into what training draws windows from, as `Trajectories.of`."""


def _model(simulation: Simulation, _: Recording) -> Predictor:
    return model_of(simulation)


@dataclass(frozen=True)
class Variant:
    """A model and a way to train it.

    Attributes:
        family: the members' configuration.
        training: fields of `TrainingConfig` that differ from the base's.
        ensemble: what holds the members.
        data: loads the episodes to learn from.
        held_out: loads the episodes that decide which weights are best.
        predictor: predicts held-out windows with the fitted model.
    """

    family: Family = field(default_factory=SecondOrder)
    training: Mapping[str, Any] = field(default_factory=dict)
    ensemble: type[Ensemble] = Ensemble
    data: Load = Trajectories.of
    held_out: Load = Trajectories.of
    predictor: Callable[[Simulation, Recording], Predictor] = _model


VARIANTS = {
    BASE: Variant(),
    "no-contact-geometry": Variant(SecondOrder(contact_geometry=False)),
    "no-joint-limits": Variant(SecondOrder(joint_limits=False)),
    "no-correction": Variant(SecondOrder(position_correction=False)),
    "no-correction-substeps-5": Variant(SecondOrder(position_correction=False, substeps=5)),
    "substeps-2": Variant(SecondOrder(substeps=2)),
    "substeps-5": Variant(SecondOrder(substeps=5)),
    "euler": Variant(SecondOrder(integrator="semi_implicit_euler")),
    "euler-substeps-5": Variant(SecondOrder(integrator="semi_implicit_euler", substeps=5)),
    "midpoint": Variant(SecondOrder(integrator="midpoint")),
    "midpoint-substeps-2": Variant(SecondOrder(integrator="midpoint", substeps=2)),
    "rk4": Variant(SecondOrder(integrator="rk4")),
    "horizon-2": Variant(training={"horizons": (2,)}),
    "horizon-8": Variant(training={"horizons": (8,)}),
    "horizon-16": Variant(training={"horizons": (16,)}),
    "horizons-to-32": Variant(training={"horizons": (2, 4, 8, 16, 32)}),
    "members-3": Variant(training={"members": 3}),
    "unclamped": Variant(ensemble=Unclamped),
    "no-envelope": Variant(ensemble=Unbounded),
    "no-layer-norm": Variant(Unnormalised()),
    "unclamped-no-layer-norm": Variant(Unnormalised(), ensemble=Unclamped),
    "noise-0.003": Variant(data=partial(NoisyTrajectories.of_level, 0.003)),
    "noise-0.01": Variant(data=partial(NoisyTrajectories.of_level, 0.01)),
    "width-128": Variant(SecondOrder(hidden=(128, 128, 128))),
    "width-256": Variant(SecondOrder(hidden=(256, 256, 256))),
    "residual-mlp": Variant(ResidualMLP(contact_geometry=False)),
    "residual-mlp-contact-geometry": Variant(ResidualMLP(contact_geometry=True)),
    "structured": Variant(Structured()),
    "rigid-body-residual": Variant(RigidBodyResidual()),
    "rigid-body-residual-width-128": Variant(RigidBodyResidual(hidden=(128, 128, 128))),
    "history": Variant(
        History(),
        ensemble=Remembering,
        data=TrajectoriesWithPast.of,
        held_out=TrajectoriesWithPast.of,
        predictor=model_with_past,
    ),
}


def register() -> None:
    """Let the catalogue know the families that only the ablations have."""
    for family in (History, Structured, Unnormalised):
        catalogue.FAMILIES[family.__name__] = f"{family.__module__}:{family.__name__}"
