"""The variants of `ablation.py`: what is changed in a model and in its training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ablation_families  # noqa: F401  registers families

from learned_envs import registry
from learned_envs.errors import UnknownNameError
from learned_envs.fit import FitConfig, TrainingConfig

BASE = "base"
FAMILY = "family"
"""The model's family."""
EXPONENT = "exponent"
"""Of the change over a step, in the unit of a dimension's error; that of the state has the rest."""

VARIANTS: dict[str, dict[str, Any]] = {
    BASE: {},
    "substeps-2": {"substeps": 2},
    "substeps-3": {"substeps": 3},
    "substeps-5": {"substeps": 5},
    "width-256": {"hidden": (256, 256, 256)},
    "width-384": {"hidden": (384, 384, 384)},
    "depth-2": {"hidden": (256, 256)},
    "depth-4": {"hidden": (192, 192, 192, 192)},
    "batch-128": {"batch_size": 128},
    "batch-512": {"batch_size": 512},
    "rate-2e-3": {"learning_rate": 2e-3},
    "rate-3e-3": {"learning_rate": 3e-3},
    "first-step-1": {"first_step": 1.0},
    "first-step-4": {"first_step": 4.0},
    "first-step-16": {"first_step": 16.0},
    "windows-2": {"horizons": (2,)},
    "windows-2-4": {"horizons": (2, 4)},
    "windows-to-16": {"horizons": (2, 4, 8, 16)},
    "windows-to-32": {"horizons": (2, 4, 8, 16, 32)},
    "members-3": {"members": 3},
    "members-5": {"members": 5},
    "no-pairs": {"most_pairs": 0},
    "pairs-16": {"most_pairs": 16},
    "pairs-32": {"most_pairs": 32},
    "no-contacts": {"contact_geometry": False},
    "no-correction": {"position_correction": False},
    "unit-of-state": {EXPONENT: 0.0},
    "unit-nearer-state": {EXPONENT: 0.25},
    "unit-nearer-change": {EXPONENT: 0.75},
    "unit-of-change": {EXPONENT: 1.0},
    "experts": {FAMILY: "experts"},
    "noise-0.003": {FAMILY: "noisy", "noise": 0.003},
    "noise-0.01": {FAMILY: "noisy", "noise": 0.01},
    "contact-forces": {FAMILY: "contact_forces"},
    "rigid-body": {FAMILY: "rigid_body"},
    "rigid-body-residual": {FAMILY: "rigid_body_residual"},
    "residual-pathway": {FAMILY: "residual_pathway"},
    "recurrent": {FAMILY: "recurrent", "contact_geometry": True},
}
"""What each changes: options of the family, settings of the training, `FAMILY` or `EXPONENT`."""


def changes(variant: str) -> dict[str, Any]:
    """Return what a variant changes.

    Raises:
        UnknownNameError: if there is no such variant.
    """
    changed: dict[str, Any] = {}
    for name in variant.split("+"):
        if name not in VARIANTS:
            raise UnknownNameError("variant", name, VARIANTS)
        changed |= VARIANTS[name]
    return changed


def config_of(variant: str, seed: int) -> FitConfig:
    """Return how a variant is trained, but for its number of updates."""
    changed = changes(variant)
    of_training = TrainingConfig.__dataclass_fields__
    training = {name: value for name, value in changed.items() if name in of_training}
    others = (*of_training, FAMILY, EXPONENT)
    options = {name: value for name, value in changed.items() if name not in others}
    # One member, and enough patience that no training stops early.
    plainest = TrainingConfig(members=1, horizons=(2, 4, 8), patience=10**9, seed=seed)
    family = changed.get(FAMILY, registry.DEFAULT_FAMILY)
    return FitConfig(family, options, training=replace(plainest, **training))
