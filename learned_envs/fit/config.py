"""The settings of a fit. The command line is made from these fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from tyro.conf import arg

from learned_envs.errors import ParameterError
from learned_envs.schema import (
    Count,
    NotNegative,
    Positive,
    Seed,
    Share,
    Word,
    check,
    sealed,
    strict,
    unsealed,
)

Members = Annotated[int, Meta(ge=1, le=1000)]
"""How many models an ensemble has."""

Horizons = Annotated[
    tuple[Annotated[int, Meta(ge=1, le=100_000)], ...], Meta(min_length=1, max_length=1000)
]
"""Steps that are predicted in a row, at least one of them, stage by stage."""


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained."""

    members: Members = 3
    """Models in the ensemble; if the fit starts from a checkpoint, as many as that has."""
    most_pairs: Annotated[int, Meta(ge=0, le=1000)] = 8
    """Pairs of shapes that the model sees, at most: those that met most often in the data."""
    updates: Count = 30_000
    """Gradient steps."""
    batch_size: Annotated[int, Meta(ge=1, le=10**6)] = 256
    """Windows in one gradient step, for each member."""
    horizons: Horizons = (2, 4, 8, 16)
    """Steps that are predicted in a row; each horizon in turn has an equal share of the updates."""
    first_step: NotNegative = 0.0
    """Weight of the first step's squared error: 4 pays where robots hit the ground hard."""
    learning_rate: Positive = 1e-3
    """Peak of its cosine schedule."""
    weight_decay: NotNegative = 1e-4
    """AdamW's weight decay."""
    gradient_norm: Positive = 1.0
    """Gradients are clipped to this norm."""
    held_out: Annotated[float, Meta(gt=0, lt=1)] = 0.05
    """Share of the episodes that is held out, for early stopping and evaluation."""
    check_every: Count = 500
    """Updates between checks on held-out episodes; the best weights are kept."""
    patience: Count = 40
    """Training stops after so many checks without a better one."""
    compile: bool = False
    """Compile a step with torch.compile, in half a minute; if that fails, it runs eagerly."""
    seed: Seed = 0
    """Two runs with the same seed on the same machine give the same weights."""

    def check(self) -> None:
        """Check that the settings make sense.

        It is no `__post_init__`, because the command line makes the settings from what is typed.

        Raises:
            ParameterError: if they do not.
        """
        check(self)

    def predictions(self, updates: int) -> int:
        """Return how many steps the first `updates` updates predict; their time grows with it.

        >>> TrainingConfig(updates=4, horizons=(2, 8)).predictions(3)  # 2 + 2 + 8
        12
        """
        stages = len(self.horizons)
        ends = [-(-stage * self.updates // stages) for stage in range(stages + 1)]
        return sum(
            horizon * (min(max(updates, start), end) - start)
            for horizon, (start, end) in zip(self.horizons, pairwise(ends), strict=True)
        )


@dataclass(frozen=True)
class RoundsConfig:
    """How a model and the agent that learns in it are improved in turn."""

    count: Annotated[int, Meta(ge=0, le=10_000), arg(name="rounds")] = 0
    """Rounds of recording, fitting, training an agent inside and trying it outside; 0 fits once."""
    steps_per_round: Annotated[int, Meta(ge=2, le=10**9)] = 20_000
    """Real steps of a round, including the agent's trial."""
    updates_per_round: Count = 2_000
    """Gradient steps of the model in a round, instead of --updates."""
    algorithm: Word = "ppo"
    """What trains the agent: ppo, sac, td3, or the module:callable of your own improver."""
    agent_steps: Count = 300_000
    """Steps inside that the agent learns from in a round."""
    penalty: NotNegative = 1.0
    """Reward that the agent loses for each unit of disagreement."""
    start_fraction: Share = 0.5
    """Share of the agent's episodes inside that begin from recorded states."""
    fresh: bool = False
    """Begin each round with a new agent."""
    agreement: NotNegative = 0.1
    """Share within which returns inside and outside agree, and an agent is no better than others.
    If both hold for two rounds, try a new agent. If that is no better either, stop."""

    def check(self) -> None:
        """Check that the settings make sense.

        Raises:
            ParameterError: if they do not.
        """
        check(self)


@dataclass(frozen=True)
class FitConfig:
    """How a model is made from real MuJoCo."""

    family: Word = "second_order"
    """Name of the model's family."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the family, by name."""
    data: Annotated[str, Meta(min_length=1)] | None = None
    """A dataset to learn from, ours or Minari's; if None, real steps are recorded."""
    steps: Annotated[int, Meta(ge=1, le=10**10)] = 1_000_000
    """Real steps to record if no data is given."""
    learners: Annotated[int, Meta(ge=0, le=1000)] = 0
    """Agents that are recorded while they learn outside, beside a random actor."""
    start: Annotated[str, Meta(min_length=1)] | None = None
    """A checkpoint to start from, or "shipped"; None starts anew."""
    disagreement_quantile: Annotated[float, Meta(gt=0, le=1)] = 0.999
    """Episodes are cut above this quantile of the members' disagreement on held-out steps."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """How the model is trained."""
    rounds: RoundsConfig = field(default_factory=RoundsConfig)
    """How the model and its agent are improved in turn, if they are."""

    def __post_init__(self) -> None:
        check(self)
        if self.steps < (least := 1 + self.learners):
            raise ParameterError(
                f"Got steps={self.steps}, expected at least {least}, one for each actor."
            )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FitConfig:
        """Build a configuration from what `asdict` gave, read back from JSON.

        Raises:
            ParameterError: if a setting is of another type, or makes no sense.
        """
        try:
            return msgspec.convert(_migrated(data), cls)
        except msgspec.ValidationError as error:
            raise ParameterError(f"These are not the settings of a fit: {error}.") from error


@dataclass(frozen=True)
class FitFile:
    """What a fit's folder keeps, so that a killed fit can go on.

    Attributes:
        task: its name.
        config: the settings.
        code: digests of the code of the task's environment, if its rules are traced from that.
    """

    task: str
    config: FitConfig
    code: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Return what stands in the file."""
        return sealed(asdict(self))

    @classmethod
    def from_json(cls, text: bytes) -> FitFile:
        """Read the file, an older one too.

        Raises:
            msgspec.MsgspecError: if it is no such file, was changed, or has an unknown setting.
        """
        plain = unsealed(text)
        if isinstance(config := plain.get("config"), dict):
            plain["config"] = _migrated(config)
        return strict(plain, cls)


def _migrated(data: Mapping[str, Any]) -> dict[str, Any]:
    """Bring settings of older versions to what they are now."""
    rounds = data.get("rounds")
    options = data.get("options", {})
    first = rounds is None and data.get("family") == "second_order" and data.get("start") is None
    if first and isinstance(options, dict):
        # A fit of the first release, whose models see no joint limits.
        return {**data, "options": {"joint_limits": False, **options}}
    if isinstance(rounds, dict) and "rounds" in rounds:
        # The number of rounds was called `rounds` too.
        rest = {name: value for name, value in rounds.items() if name != "rounds"}
        return {**data, "rounds": {"count": rounds["rounds"], **rest}}
    return {**data}
