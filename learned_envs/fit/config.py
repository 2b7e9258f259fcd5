"""The settings of a fit. The command line is made from these fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Annotated, Any

import msgspec
from tyro.conf import arg

from learned_envs.errors import ParameterError
from learned_envs.schema import strict


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained."""

    members: int = 3
    """Models in the ensemble; if the fit starts from a checkpoint, as many as that has."""
    updates: int = 30_000
    """Gradient steps."""
    batch_size: int = 256
    """Windows in one gradient step, for each member."""
    horizons: tuple[int, ...] = (2, 4, 8, 16)
    """Steps that are predicted in a row; each horizon in turn has an equal share of the updates."""
    learning_rate: float = 1e-3
    """Peak of its cosine schedule."""
    weight_decay: float = 1e-4
    """AdamW's weight decay."""
    gradient_norm: float = 1.0
    """Gradients are clipped to this norm."""
    held_out: float = 0.05
    """Share of the episodes that is held out, for early stopping and evaluation."""
    check_every: int = 500
    """Updates between checks on held-out episodes; the best weights are kept."""
    patience: int = 40
    """Training stops after so many checks without a better one."""
    compile: bool = False
    """Compile the rollout with torch.compile; if that fails, it runs eagerly."""
    seed: int = 0
    """Two runs with the same seed on the same machine give the same weights."""

    def check(self) -> None:
        """Check that the settings make sense.

        It is no `__post_init__`, because the command line makes the settings from what is typed.

        Raises:
            ParameterError: if they do not.
        """
        counts = ("members", "updates", "batch_size", "check_every", "patience")
        for name in counts:
            _expect(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("learning_rate", "gradient_norm"):
            _expect(name, getattr(self, name), getattr(self, name) > 0, "more than 0")
        _expect("weight_decay", self.weight_decay, self.weight_decay >= 0, "at least 0")
        _expect("held_out", self.held_out, 0 < self.held_out < 1, "between 0 and 1")
        _expect("seed", self.seed, 0 <= self.seed < 2**31, "from 0 to 2147483647")
        sensible = bool(self.horizons) and min(self.horizons) >= 1
        _expect("horizons", self.horizons, sensible, "at least one, each at least 1")

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

    count: Annotated[int, arg(name="rounds")] = 0
    """Rounds of recording, fitting, training an agent inside and trying it outside; 0 fits once."""
    steps_per_round: int = 20_000
    """Real steps of a round, including the agent's trial."""
    updates_per_round: int = 2_000
    """Gradient steps of the model in a round, instead of --updates."""
    algorithm: str = "ppo"
    """What trains the agent: ppo, sac, td3, or the module:callable of your own improver."""
    agent_steps: int = 300_000
    """Steps inside that the agent learns from in a round."""
    penalty: float = 1.0
    """Reward that the agent loses for each unit of disagreement."""
    start_fraction: float = 0.5
    """Share of the agent's episodes inside that begin from recorded states."""
    fresh: bool = False
    """Begin each round with a new agent."""
    agreement: float = 0.1
    """Share within which returns inside and outside agree, and an agent is no better than others.
    If both hold for two rounds, try a new agent. If that is no better either, stop."""

    def check(self) -> None:
        """Check that the settings make sense.

        Raises:
            ParameterError: if they do not.
        """
        _expect("rounds", self.count, self.count >= 0, "at least 0")
        _expect("steps_per_round", self.steps_per_round, self.steps_per_round >= 2, "at least 2")
        for name in ("updates_per_round", "agent_steps"):
            _expect(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("penalty", "agreement"):
            _expect(name, getattr(self, name), getattr(self, name) >= 0, "at least 0")
        share = self.start_fraction
        _expect("start_fraction", share, 0 <= share <= 1, "from 0 to 1")


@dataclass(frozen=True)
class FitConfig:
    """How a model is made from real MuJoCo."""

    family: str = "second_order"
    """Name of the model's family."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the family, by name."""
    data: str | None = None
    """A dataset to learn from, ours or Minari's; if None, real steps are recorded."""
    steps: int = 1_000_000
    """Real steps to record if no data is given."""
    learners: int = 0
    """Agents that are recorded while they learn outside, beside a random actor."""
    start: str | None = None
    """A checkpoint to start from, or "shipped"; None starts anew."""
    disagreement_quantile: float = 0.999
    """Episodes are cut above this quantile of the members' disagreement on held-out steps."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """How the model is trained."""
    rounds: RoundsConfig = field(default_factory=RoundsConfig)
    """How the model and its agent are improved in turn, if they are."""

    def __post_init__(self) -> None:
        _expect("learners", self.learners, self.learners >= 0, "at least 0")
        least = 1 + self.learners
        _expect("steps", self.steps, self.steps >= least, f"at least {least}, one for each actor")
        quantile = self.disagreement_quantile
        _expect("disagreement_quantile", quantile, 0 < quantile <= 1, "above 0 and at most 1")
        self.training.check()
        self.rounds.check()

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
    """What a fit's folder keeps, so that a killed fit can go on: its task and its settings."""

    task: str
    config: FitConfig

    def to_json(self) -> bytes:
        """Return what stands in the file."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> FitFile:
        """Read the file, an older one too.

        Raises:
            msgspec.MsgspecError: if it is no such file, or has an unknown setting.
        """
        plain = msgspec.json.decode(text, type=dict[str, Any])
        if isinstance(config := plain.get("config"), dict):
            plain["config"] = _migrated(config)
        return strict(plain, cls)


def _migrated(data: Mapping[str, Any]) -> dict[str, Any]:
    """Bring settings of older versions to what they are now."""
    rounds = data.get("rounds")
    if rounds is None and data.get("family") == "second_order" and data.get("start") is None:
        # A fit of the first release, whose models see no joint limits.
        return {**data, "options": {"joint_limits": False, **data.get("options", {})}}
    if isinstance(rounds, dict) and "rounds" in rounds:
        # The number of rounds was called `rounds` too.
        rest = {name: value for name, value in rounds.items() if name != "rounds"}
        return {**data, "rounds": {"count": rounds["rounds"], **rest}}
    return {**data}


def _expect(name: str, value: object, good: bool, expected: str) -> None:
    if not good:
        raise ParameterError(f"Got {name}={value!r}, expected {expected}.")
