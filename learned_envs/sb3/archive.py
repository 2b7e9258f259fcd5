"""SB3's own archives of agents, which hold pickles: loading one can run any code that is in it."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm

from learned_envs.defaults import usual_defaults
from learned_envs.errors import CheckpointError, ParameterError
from learned_envs.files import DAMAGED_ZIP
from learned_envs.sb3.normalisation import Normalisation

ARCHIVE, STATISTICS = "agent.zip", "observations.npz"
"""The two files that earlier versions of this package left of an agent."""

POLICIES: dict[str, type[BaseAlgorithm]] = {
    "stable_baselines3.common.policies": PPO,
    "stable_baselines3.sac.policies": SAC,
    "stable_baselines3.td3.policies": TD3,
}
"""Who loads an agent, by the module of the policy that its archive names. A2C has PPO's policy and
DDPG has TD3's, so their agents are loaded as these and act the same."""


def read_archive(path: Path) -> tuple[BaseAlgorithm, Normalisation | None]:
    """Load the zip of an SB3 agent, on the CPU. It can run code: load only what you trust.

    Raises:
        CheckpointError: if it is damaged, of something else, or not whole without statistics that
            it does not hold.
    """
    algorithm, written = _look_into(path)
    try:
        # SB3 would seed every source of random numbers anew, as when the training began.
        with torch.random.fork_rng(devices=[]), usual_defaults():
            model = algorithm.load(path, device="cpu", seed=None)
    # What is unpickled may raise anything.
    except Exception as error:
        raise _broken(
            path,
            f"it was written by SB3 {written}, and SB3 {stable_baselines3.__version__} could not "
            f"load it ({type(error).__name__}: {error})",
        ) from error
    statistics = path.with_name(STATISTICS)
    # A zip of another name may lie beside the statistics of another agent.
    if path.name == ARCHIVE and statistics.is_file():
        return model, _read_statistics(statistics)
    if _normalised(model):
        raise CheckpointError(
            f"The agent in {path} learned from observations that a VecNormalize normalised, and "
            "SB3's zips do not hold the statistics. Keep both in one folder and give that: "
            f"Agent({algorithm.__name__}.load(zip), "
            "Normalisation.of(VecNormalize.load(statistics, envs))).save(folder). If they were "
            "not normalised after all, leave the Normalisation out."
        )
    return model, None


def _normalised(model: BaseAlgorithm) -> bool:
    """Return whether the last observation of an agent's training came from a VecNormalize.

    It hands out float32, and all else what the observation space says: float64 in MuJoCo's.
    """
    last: Any = model._last_obs
    space = model.observation_space
    return isinstance(last, np.ndarray) and last.dtype == np.float32 != space.dtype


def _look_into(path: Path) -> tuple[type[BaseAlgorithm], str]:
    """Return whose agent an archive holds, and by which SB3; nothing is unpickled yet."""
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise _broken(path, f"its {damaged} is damaged")
            names = set(archive.namelist())
            if missing := {"data", "policy.pth"} - names:
                raise _broken(path, f"it is a zip without {' and '.join(sorted(missing))}")
            data: Any = json.loads(archive.read("data"))
            version = "_stable_baselines3_version"
            written = archive.read(version).decode().strip() if version in names else "1.2 or older"
        module = str(data["policy_class"]["__module__"])
    except CheckpointError:
        raise
    except DAMAGED_ZIP as error:
        raise _broken(path, str(error)) from error
    except (LookupError, TypeError) as error:
        raise _broken(path, "it does not say which policy it holds") from error
    if module not in POLICIES:
        raise _broken(path, f"its policy is of {module}")
    return POLICIES[module], written


def _read_statistics(path: Path) -> Normalisation:
    try:
        with np.load(path, allow_pickle=False) as seen:
            return Normalisation(
                seen["mean"], seen["variance"], float(seen["clip"]), float(seen["epsilon"])
            )
    except ParameterError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise CheckpointError(
            f"{path} does not hold the statistics of observations ({error}). Restore it from a "
            "copy, beside its agent."
        ) from error


def _broken(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is not an agent that can be read: {why}. Expected what an SB3 PPO, SAC or TD3 "
        "model's `save` wrote."
    )
