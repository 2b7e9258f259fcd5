"""An agent in a file: tensors, and a card of plain values in the file's header.

Nothing that is read from it is run: SB3's algorithm is made anew, by the names in `stored`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from gymnasium.spaces import Box
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import recursive_getattr

from learned_envs.defaults import usual_defaults
from learned_envs.errors import CheckpointError, ParameterError
from learned_envs.files import check_header
from learned_envs.sb3.normalisation import Normalisation
from learned_envs.sb3.stored import (
    ALGORITHMS,
    MOMENTS,
    AgentCard,
    PolicyArguments,
    settings_of,
    to_sb3,
)
from learned_envs.schema import checksum, decoded, format_of

FORMAT = 1
"""Version of the card's layout; a newer one is refused."""

LARGEST = 2**14
"""Numbers in an observation, or in an action, at most."""

POLICY = "MlpPolicy"
DTYPES = {torch.float32, torch.float64, torch.int64}
Tensors = dict[str, torch.Tensor]


def to_bytes(model: BaseAlgorithm, normalisation: Normalisation | None) -> bytes:
    """Return an agent as the content of a file.

    Raises:
        ParameterError: if it has what cannot be stored as plain values, or is not finite.
    """
    tensors = dict(_tensors_of(model, normalisation))
    if unsound := [name for name in tensors if not _sound(name, tensors[name])]:
        raise ParameterError(
            f"The agent's {unsound[0]} is not finite, so the agent cannot act. Train it again, "
            "with a smaller learning rate, say."
        )
    try:
        algorithm = _algorithm_of(model)
        card = {
            "format": FORMAT,
            "algorithm": algorithm,
            "policy": POLICY,
            "arguments": msgspec.to_builtins(PolicyArguments.of(model.policy_kwargs)),
            "settings": settings_of(model, algorithm),
            "n_envs": model.n_envs,
            "normalisation": None
            if normalisation is None
            else {"clip": float(normalisation.clip), "epsilon": float(normalisation.epsilon)},
            "versions": {
                name: version(name) for name in ("learned-envs", "torch", "stable-baselines3")
            },
            "sha256": _digest(tensors),
        }
        card["checksum"] = checksum(card)
        msgspec.convert(card, AgentCard)
        text = json.dumps(card, sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise ParameterError(
            f"This agent cannot be stored without code: {error}. Set what training alone needs to "
            "a plain value, as in `agent.model.learning_rate = 3e-4`, or keep SB3's zip, by "
            "`agent.model.save(path)`."
        ) from error
    return save(tensors, {"agent": text})


def read_agent(path: Path) -> tuple[BaseAlgorithm, Normalisation | None]:
    """Read what `to_bytes` gave, and make SB3's algorithm of it, on the CPU.

    Raises:
        CheckpointError: if it is something else, damaged, or of a newer format.
    """
    card, tensors = _read(path)
    try:
        if unsound := [name for name in tensors if not _sound(name, tensors[name])]:
            raise ValueError(f"{unsound[0]} is not finite")
        spaces = [_space(tensors, name) for name in ("observation", "action")]
        _expect_layers(card, tensors, *(space.shape[0] for space in spaces))
        # Networks are drawn before they are loaded: nobody else's random numbers may change.
        with torch.random.fork_rng(devices=[]), usual_defaults():
            model = _build(card, *spaces)
            _load(model, card, tensors)
        normalisation = None
        if card.normalisation is not None:
            normalisation = Normalisation(
                tensors["normalisation/mean"].numpy(),
                tensors["normalisation/variance"].numpy(),
                card.normalisation.clip,
                card.normalisation.epsilon,
            )
    # SB3 checks what it is made of by asserts, PyTorch by errors of many kinds.
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        MemoryError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise _broken(path, f"its parts do not fit together ({error})") from error
    return model, normalisation


def _read(path: Path) -> tuple[AgentCard, Tensors]:
    """Read card and tensors, and check both against their checksums."""
    try:
        check_header(path)
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {})["agent"]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        plain = decoded(text)
        number = format_of(plain)
    except KeyError:
        raise _broken(path, "it holds no agent, but other tensors") from None
    except msgspec.MsgspecError as error:
        raise _broken(path, f"it holds no agent's card ({error})") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise _broken(path, str(error)) from error
    if number > FORMAT:
        raise CheckpointError(
            f"{path} has format {number}, this version reads up to {FORMAT}. Upgrade learned-envs."
        )
    try:
        if plain.get("checksum") != checksum(plain):
            raise ValueError("it does not match its checksum")
        card = msgspec.convert(plain, AgentCard)
    except ValueError as error:
        raise _broken(path, f"its card is not as it should be ({error})") from error
    if strange := {t.dtype for t in tensors.values()} - DTYPES:
        raise _broken(path, f"it has tensors of {strange}")
    if _digest(tensors) != card.sha256:
        raise _broken(path, "its tensors do not match their checksum")
    return card, tensors


def _algorithm_of(model: BaseAlgorithm) -> str:
    """Return the name that an agent's algorithm is stored under."""
    for name, kind in ALGORITHMS.items():
        if isinstance(model, kind):
            if type(model.policy) is not kind.policy_aliases[POLICY]:
                raise msgspec.ValidationError(f"its policy is a {type(model.policy).__name__}")
            return name
    expected = ", ".join(ALGORITHMS)
    raise msgspec.ValidationError(f"it is a {type(model).__name__}, expected one of {expected}")


def _tensors_of(
    model: BaseAlgorithm, normalisation: Normalisation | None
) -> Iterator[tuple[str, torch.Tensor]]:
    """Name all tensors of an agent, as they are stored."""
    for name, state in model.get_parameters().items():
        if name == "policy":
            for key, value in state.items():
                yield f"policy/{key}", _own(value)
        else:
            for index, moments in state["state"].items():
                for key, value in moments.items():
                    yield f"{name}/{index}/{key}", _own(value)
    for name in model._get_torch_save_params()[1]:
        if (value := recursive_getattr(model, name)) is not None:
            yield f"variable/{name}", _own(value)
    for kind, space in (("observation", model.observation_space), ("action", model.action_space)):
        if not isinstance(space, Box):
            raise ParameterError(f"Got an agent whose {kind} space is {space}, expected a Box.")
        yield f"{kind}/low", torch.from_numpy(space.low.copy())
        yield f"{kind}/high", torch.from_numpy(space.high.copy())
    if normalisation is not None:
        yield "normalisation/mean", torch.tensor(normalisation.mean, dtype=torch.float64)
        yield "normalisation/variance", torch.tensor(normalisation.variance, dtype=torch.float64)


def _own(value: Any) -> torch.Tensor:
    return torch.as_tensor(value).detach().cpu().clone().contiguous()


def _sound(name: str, tensor: torch.Tensor) -> bool:
    """Return whether the numbers may be these; only spaces of observations have no bounds."""
    if name.startswith("observation/"):
        return not bool(tensor.isnan().any())
    return bool(tensor.isfinite().all())


def _space(tensors: Mapping[str, torch.Tensor], kind: str) -> Box:
    low, high = (tensors[f"{kind}/{end}"].numpy() for end in ("low", "high"))
    if low.ndim != 1 or not 0 < low.size <= LARGEST or not low.dtype == high.dtype != np.int64:
        raise ValueError(f"its {kind} space has the shape {low.shape}, expected (n)")
    if (low > high).any():
        raise ValueError(f"its {kind} space has bounds in the wrong order")
    return Box(low, high, dtype=low.dtype.type)


def _expect_layers(card: AgentCard, tensors: Tensors, observed: int, acted: int) -> None:
    """Refuse networks that the file does not hold, before they take memory."""
    shapes = {tuple(t.shape) for name, t in tensors.items() if name.startswith("policy/")}
    for layers in filter(None, card.arguments.layers):
        wanted = {(after, before) for before, after in pairwise(layers)}
        first = {(layers[0], observed), (layers[0], observed + acted)}
        if wanted - shapes or not first & shapes:
            raise ValueError(f"there are no layers of the sizes {list(layers)}")


def _build(card: AgentCard, observation_space: Box, action_space: Box) -> BaseAlgorithm:
    """Make the untrained algorithm, as SB3 makes one that it loads."""
    make: Any = ALGORITHMS[card.algorithm]
    model: Any = make(
        POLICY,
        None,
        policy_kwargs=card.arguments.to_sb3(),
        device="cpu",
        _init_setup_model=False,
        **to_sb3(card.typed_settings),
    )
    model.observation_space, model.action_space = observation_space, action_space
    model.n_envs = card.n_envs
    model._setup_model()
    made: BaseAlgorithm = model
    return made


def _load(model: BaseAlgorithm, card: AgentCard, tensors: Tensors) -> None:
    """Put the stored parameters, and the states of the optimizers, into a new algorithm."""
    parameters: dict[str, Any] = model.get_parameters()
    kinds = card.arguments.optimizer_class or "Adam"
    for name, fresh in parameters.items():
        if name == "policy":
            parameters[name] = _below(tensors, "policy")
            continue
        group = recursive_getattr(model, name).param_groups[0]["params"]
        states: dict[int, Tensors] = {}
        for key, tensor in _below(tensors, name).items():
            index, _, moment = key.partition("/")
            if not (index.isdecimal() and int(index) < len(group)):
                raise ValueError(f"{name} has no parameter {index}")
            expected = () if moment == "step" else tuple(group[int(index)].shape)
            if tuple(tensor.shape) != expected:
                raise ValueError(f"{name}/{key} has the shape {tuple(tensor.shape)}")
            states.setdefault(int(index), {})[moment] = tensor
        expected_moments = MOMENTS["Adam" if name == "ent_coef_optimizer" else kinds]
        if any(state.keys() != expected_moments for state in states.values()):
            raise ValueError(f"the state of {name} is not whole")
        parameters[name] = {"state": states, "param_groups": fresh["param_groups"]}
    model.set_parameters(parameters, exact_match=True, device="cpu")
    for name in model._get_torch_save_params()[1]:
        variable = recursive_getattr(model, name)
        if variable is not None:
            tensor = tensors[f"variable/{name}"]
            if tensor.shape != variable.shape:
                raise ValueError(f"{name} has the shape {tuple(tensor.shape)}")
            variable.data = tensor


def _below(tensors: Tensors, prefix: str) -> Tensors:
    start = f"{prefix}/"
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(tensor.numpy()).tobytes())
    return digest.hexdigest()


def _broken(path: Path, why: str) -> CheckpointError:
    """Return the error that says why `path` is not an agent's file."""
    return CheckpointError(
        f"{path} is not an agent that can be read: {why}. Expected a file that `Agent.save` "
        "wrote; copy it or train the agent again."
    )
