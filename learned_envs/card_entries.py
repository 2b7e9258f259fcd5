"""What a card says of a model that the model itself does not determine."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from learned_envs.figures import Checked, Data, Fidelity, Returns, RolloutErrors
from learned_envs.rules.rules import Rules
from learned_envs.schema import Name, NotNegative, Plain, Word
from learned_envs.systems.equipment import Equipment


class Reference(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """How a real environment is made, so that all else is known without it.

    Attributes:
        id: Gymnasium's, with the module that registers it if it was given.
        kwargs: what it is made with.
        episode_steps: after which `gym.make` truncates an episode; None for never.
        reward_threshold: from which return on it counts as solved.
        mjcf: the whole model of MuJoCo's as text, for pictures; None if it needs other files.
    """

    id: Word
    kwargs: dict[str, Any] = {}
    episode_steps: Annotated[int, Meta(ge=1)] | None = None
    reward_threshold: float | None = None
    mjcf: Annotated[str, Meta(max_length=1_000_000)] | None = None


class Entries(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What a card says of a model that the model itself does not determine.

    Only what is set is written. For `start` and `disagreement_threshold` None is written too,
    because it has a meaning there.

    Attributes:
        task: name of the task.
        seed: of the fit.
        start: sha256 of the weights that the fit went on from; None if the model is new.
        real_steps: how many steps of the real system were recorded for the model.
        data: what it was fitted to.
        fit: the settings; `FitConfig.from_dict` reads them.
        training: when in training the weights were the best.
        held_out: rollout errors on what the fit held out.
        beats_hold: whether, by these, it is better than holding the first state.
        sensor_errors: mean squared error of each sensor's readings, in units of its variance.
        disagreement_threshold: environments cut an episode above it; None if there is none, as
            for a model of one member.
        rounds: the figures of each [`Round`][learned_envs.fit.round.Round].
        chosen: which round was the best, and by what.
        returns: of agents trained inside and outside.
        fidelity: errors on trajectories of agents that are in no data.
        reference: how the real environment is made, if no task is registered for it.
        rules: what is seen, paid and ended there, traced from the environment's code.
        equipment: what is mounted on the system's bodies, as far as the rules read it.
        notes: what is known to be missing from the model, a sentence or two each.
    """

    task: Name | UnsetType = UNSET
    seed: Annotated[int, Meta(ge=0)] | None = None
    start: str | UnsetType | None = UNSET
    real_steps: Annotated[int, Meta(ge=0)] | None = None
    data: Data | None = None
    fit: dict[str, Any] | None = None
    training: Checked | None = None
    held_out: RolloutErrors | None = None
    beats_hold: bool | None = None
    sensor_errors: dict[str, float] | None = None
    disagreement_threshold: NotNegative | UnsetType | None = UNSET
    rounds: tuple[dict[str, Any], ...] | None = None
    chosen: str | None = None
    returns: Returns | None = None
    fidelity: Fidelity | None = None
    reference: Reference | None = None
    rules: Rules | None = None
    equipment: Equipment | None = None
    notes: tuple[str, ...] | None = None

    @property
    def mjcf(self) -> str | None:
        """The MJCF of the real system; None if the card has none."""
        return None if self.reference is None else self.reference.mjcf

    def to_dict(self) -> Plain:
        """Return what is set, as plain data."""
        plain: Plain = msgspec.to_builtins(self)
        return plain
