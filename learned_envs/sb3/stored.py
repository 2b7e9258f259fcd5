"""What a stored agent may say of itself: a typed schema of plain values, and nothing that runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import NormalActionNoise, VectorizedActionNoise
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.type_aliases import TrainFreq
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule, LinearSchedule
from torch import nn, optim

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {"PPO": PPO, "SAC": SAC, "TD3": TD3}
"""The algorithms whose agents are stored, and loaded, by name."""

CLASSES: dict[str, dict[str, type]] = {
    "activation_fn": {
        kind.__name__: kind
        for kind in (nn.ELU, nn.GELU, nn.LeakyReLU, nn.Mish, nn.ReLU, nn.SiLU, nn.Tanh)
    },
    # A2C has one of the last two.
    "optimizer_class": {kind.__name__: kind for kind in (optim.Adam, optim.RMSprop, RMSpropTFLike)},
}
"""The classes that an argument of a policy may be, by name."""

MOMENTS = {
    "Adam": {"step", "exp_avg", "exp_avg_sq"},
    "RMSprop": {"step", "square_avg"},
    "RMSpropTFLike": {"step", "square_avg"},
}
"""What an optimizer keeps of each parameter."""

Activation = Literal["ELU", "GELU", "LeakyReLU", "Mish", "ReLU", "SiLU", "Tanh"]
Positive = Annotated[float, Meta(gt=0, le=1e9)]
Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0, le=1e9)]
Number = Annotated[float, Meta(ge=-1e9, le=1e9)]
Count = Annotated[int, Meta(ge=1, le=2**31)]
Period = Annotated[int, Meta(ge=-1, le=2**31)]
Layers = Annotated[tuple[Annotated[int, Meta(ge=1, le=8192)], ...], Meta(max_length=16)]


class OptimizerArguments(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Arguments of an optimizer, as PyTorch names them."""

    alpha: Share | UnsetType = UNSET
    eps: Amount | UnsetType = UNSET
    weight_decay: Amount | UnsetType = UNSET


class PolicyArguments(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """SB3's `policy_kwargs`: those that are plain values, or classes that have a name here."""

    activation_fn: Activation | UnsetType = UNSET
    clip_mean: Amount | UnsetType = UNSET
    full_std: bool | UnsetType = UNSET
    log_std_init: Number | UnsetType = UNSET
    n_critics: Annotated[int, Meta(ge=1, le=16)] | UnsetType = UNSET
    net_arch: Layers | dict[Literal["pi", "vf", "qf"], Layers] | UnsetType | None = UNSET
    normalize_images: bool | UnsetType = UNSET
    optimizer_class: Literal["Adam", "RMSprop", "RMSpropTFLike"] | UnsetType = UNSET
    optimizer_kwargs: OptimizerArguments | UnsetType = UNSET
    ortho_init: bool | UnsetType = UNSET
    share_features_extractor: bool | UnsetType = UNSET
    squash_output: bool | UnsetType = UNSET
    use_expln: bool | UnsetType = UNSET
    use_sde: bool | UnsetType = UNSET

    @classmethod
    def of(cls, policy_kwargs: Mapping[str, Any]) -> PolicyArguments:
        """Read the arguments of an SB3 agent.

        Raises:
            msgspec.ValidationError: if one of them cannot be stored.
        """
        plain = {**policy_kwargs}
        if plain.get("features_extractor_class") is FlattenExtractor:
            del plain["features_extractor_class"]
        for key, known in CLASSES.items():
            if isinstance(plain.get(key), type) and plain[key] in known.values():
                plain[key] = plain[key].__name__
        read: PolicyArguments = _read(plain, cls)
        return read

    def to_sb3(self) -> dict[str, Any]:
        """Return them as SB3 takes them."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        for key in plain.keys() & CLASSES.keys():
            plain[key] = CLASSES[key][plain[key]]
        return plain

    @property
    def layers(self) -> list[Layers]:
        """The sizes of the hidden layers of each network that the arguments ask for."""
        nets = self.net_arch or ()
        return [*nets.values()] if isinstance(nets, dict) else [nets]


class Linear(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rate that changes in a straight line, over a share of the training: `LinearSchedule`."""

    start: Amount
    end: Amount
    end_fraction: Annotated[float, Meta(gt=0, le=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an algorithm was made with; the names and meanings are SB3's."""

    batch_size: Count
    gamma: Share
    learning_rate: Amount | Linear
    n_steps: Annotated[int, Meta(ge=1, le=2**20)]


class PPOSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """PPO's."""

    clip_range: Amount
    clip_range_vf: Amount | None
    ent_coef: Number
    gae_lambda: Share
    max_grad_norm: Amount
    n_epochs: Count
    normalize_advantage: bool
    sde_sample_freq: Period
    target_kl: Amount | None
    use_sde: bool
    vf_coef: Number


class OffPolicySettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What SAC and TD3 share. The noise is given by its standard deviation, (nu)."""

    action_noise: tuple[Amount, ...] | None
    buffer_size: Annotated[int, Meta(ge=1, le=10**8)]
    gradient_steps: Period
    learning_starts: Annotated[int, Meta(ge=0, le=2**31)]
    optimize_memory_usage: bool
    tau: Share
    train_freq: tuple[Count, Literal["step", "episode"]]


class SACSettings(OffPolicySettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SAC's."""

    ent_coef: Number | Annotated[str, Meta(pattern=r"^auto(_[0-9]+(\.[0-9]+)?)?$", max_length=32)]
    sde_sample_freq: Period
    target_entropy: Number
    target_update_interval: Count
    use_sde: bool
    use_sde_at_warmup: bool


class TD3Settings(OffPolicySettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TD3's."""

    policy_delay: Count
    target_noise_clip: Amount
    target_policy_noise: Amount


SETTINGS: dict[str, type[Settings]] = {"PPO": PPOSettings, "SAC": SACSettings, "TD3": TD3Settings}
"""The settings of each algorithm."""


class Clipping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a `Normalisation` is no array."""

    clip: Positive
    epsilon: Amount


class AgentCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a stored agent says beside its tensors.

    Attributes:
        format: of the layout.
        algorithm: a name in `ALGORITHMS`.
        policy: SB3's name of the kind of policy.
        arguments: of the policy.
        settings: of the algorithm; `SETTINGS` says of which type.
        n_envs: environments that it was trained in at once.
        normalisation: None if it observes as it is.
        versions: of the libraries that wrote it.
        sha256: of the tensors.
        checksum: of all the rest.
    """

    format: int
    algorithm: Literal["PPO", "SAC", "TD3"]
    policy: Literal["MlpPolicy"]
    arguments: PolicyArguments
    settings: dict[str, Any]
    n_envs: Annotated[int, Meta(ge=1, le=2**20)]
    normalisation: Clipping | None
    versions: dict[str, str]
    sha256: str
    checksum: str

    @property
    def typed_settings(self) -> Settings:
        """The settings, checked.

        Raises:
            msgspec.ValidationError: if one is missing, unknown, or not what it may be.
        """
        return msgspec.convert(self.settings, SETTINGS[self.algorithm])


def settings_of(model: BaseAlgorithm, algorithm: str) -> dict[str, Any]:
    """Return an SB3 algorithm's settings as plain values.

    Raises:
        msgspec.ValidationError: if one of them cannot be stored, such as a schedule of one's own.
    """
    kind = SETTINGS[algorithm]
    names = msgspec.structs.fields(kind)
    read = _read({field.name: _plain(getattr(model, field.name)) for field in names}, kind)
    plain: dict[str, Any] = msgspec.to_builtins(read)
    return plain


def to_sb3(settings: Settings) -> dict[str, Any]:
    """Return settings as an SB3 algorithm takes them."""
    plain: dict[str, Any] = msgspec.structs.asdict(settings)
    if isinstance(rate := settings.learning_rate, Linear):
        plain["learning_rate"] = LinearSchedule(rate.start, rate.end, rate.end_fraction)
    if (deviation := plain.get("action_noise")) is not None:
        plain["action_noise"] = NormalActionNoise(np.zeros(len(deviation)), np.array(deviation))
    return plain


def _plain(value: Any) -> Any:
    """Return what SB3 made of a number, or of a number's like, as plain data."""
    if isinstance(value, FloatSchedule):
        value = value.value_schedule
    if isinstance(value, ConstantSchedule):
        value = value.val
    if type(value) is LinearSchedule:
        return vars(value)
    if isinstance(value, VectorizedActionNoise):
        value = value.base_noise
    if type(value) is NormalActionNoise and not np.any(value._mu):
        return tuple(np.asarray(value._sigma, dtype=float).tolist())
    if isinstance(value, TrainFreq):
        return value.frequency, value.unit.value
    return value.item() if isinstance(value, np.generic) else value


def _read(plain: Mapping[str, Any], kind: Any) -> Any:
    """Convert plain data, and say of what is not plain which it was."""
    for name, value in plain.items():
        try:
            msgspec.json.encode(value)
        except TypeError:
            raise msgspec.ValidationError(f"{name} is {value!r}, no plain value") from None
    return msgspec.convert(plain, kind)
