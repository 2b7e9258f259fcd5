"""Making learned environments for SB3, with the arguments that SB3's own `make_vec_env` has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode
from stable_baselines3.common import env_util
from stable_baselines3.common.vec_env import VecEnv

from learned_envs import argument, registry
from learned_envs.errors import OutputError, ParameterError
from learned_envs.sb3.vec_env import LearnedVecEnv, LearnedVecMonitor


def make_vec_env(
    env_id: str,
    n_envs: int = 1,
    seed: int | None = None,
    start_index: int = 0,
    monitor_dir: str | Path | None = None,
    wrapper_class: Callable[..., gym.Env[Any, Any]] | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    vec_env_cls: type | None = None,
    vec_env_kwargs: Mapping[str, Any] | None = None,
    monitor_kwargs: Mapping[str, Any] | None = None,
    wrapper_kwargs: Mapping[str, Any] | None = None,
) -> VecEnv:
    """Make learned environments for SB3, with the monitor that its logs need.

    The arguments are those of SB3's function of this name. The environments are one batch, and not
    one object each in a `DummyVecEnv`. So nothing can be wrapped around each of them. With
    `env_kwargs={"rules": "hosted"}` they are no batch, and SB3's own function makes them; pictures
    need a `render_mode` then.

    >>> envs = make_vec_env("LearnedSim-Hopper-v0", n_envs=4, seed=0)
    >>> envs.reset().shape
    (4, 11)

    Args:
        env_id: "LearnedSim-Hopper-v0" or, shorter, "Hopper"; or an id of your own.
        n_envs: how many episodes run at once.
        seed: determines the batch as a whole from the first reset on, and the samples of the
            action space.
        start_index: names the monitor's file, and is added to the action space's seed.
        monitor_dir: where the monitor writes the returns of all episodes, as one file
            "START_INDEX.monitor.csv"; None writes none.
        wrapper_class: None. Wrap what is returned, in a `VecEnvWrapper`.
        env_kwargs: further arguments of
            [`LearnedVectorEnv`][learned_envs.envs.vector.LearnedVectorEnv]: checkpoint, device,
            max_disagreement, and the reference environment's own. As in SB3, pictures can be drawn
            unless a `render_mode` is given.
        vec_env_cls: None.
        vec_env_kwargs: None.
        monitor_kwargs: `info_keywords`, what of the last info the monitor keeps.
        wrapper_kwargs: None.

    Raises:
        UnknownNameError: if there is no such environment.
        ParameterError: if an argument is unknown or out of range, or if a batch cannot have it.
        CheckpointError: if the checkpoint cannot be read.
        OutputError: if the monitor's file cannot be written.
    """
    given = _keywords("env_kwargs", env_kwargs)
    monitored = _keywords("monitor_kwargs", monitor_kwargs)
    if given.get("rules") == "hosted" and isinstance(env_id, str):
        return env_util.make_vec_env(
            # A process that SB3 starts knows no ids of ours, but makes what a spec says.
            partial(gym.make, gym.spec(registry.learned_id(env_id))),
            argument.count("n_envs", n_envs),
            argument.seed("seed", seed),
            start_index,
            None if monitor_dir is None else str(monitor_dir),
            wrapper_class,
            given,
            vec_env_cls,
            None if vec_env_kwargs is None else dict(vec_env_kwargs),
            monitored,
            None if wrapper_kwargs is None else dict(wrapper_kwargs),
        )
    refused = [
        *_refused(env_id, wrapper_class, vec_env_cls, vec_env_kwargs, wrapper_kwargs),
        *_refused_settings(given, monitored),
    ]
    if refused:
        raise ParameterError(
            "Learned environments are one batch, and cannot be made with "
            f"{'; nor with '.join(refused)}."
        )
    argument.count("n_envs", n_envs)
    argument.count("start_index", start_index, 0)
    argument.seed("seed", seed)
    argument.instance("monitor_dir", monitor_dir, str, os.PathLike, type(None))
    made: Any = gym.make_vec(
        registry.learned_id(env_id),
        num_envs=n_envs,
        autoreset_mode=AutoresetMode.SAME_STEP,
        tensors=False,
        **{"render_mode": "rgb_array", **given},
    )
    file = None if monitor_dir is None else str(Path(monitor_dir) / str(start_index))
    try:
        envs = LearnedVecMonitor(
            LearnedVecEnv(made.unwrapped), file, tuple(monitored.get("info_keywords", ()))
        )
    # A ValueError tells of a name that no file can have.
    except (OSError, ValueError) as error:
        raise OutputError(
            f"Cannot write the monitor's file into {monitor_dir}: {error}. Give another folder."
        ) from error
    if seed is not None:
        envs.seed(seed)
        envs.action_space.seed(seed + start_index)
    return envs


def _keywords(name: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return keyword arguments as a dictionary of its own."""
    if given is None:
        return {}
    argument.instance(name, given, Mapping)
    return dict(given)


def _refused(
    env_id: object,
    wrapper_class: object,
    vec_env_cls: object,
    vec_env_kwargs: object,
    wrapper_kwargs: object,
) -> Iterator[str]:
    """Say which of SB3's arguments a batch cannot have, and what to do instead."""
    if not isinstance(env_id, str):
        yield f"env_id={env_id!r}, which is no id (SB3's own make_vec_env takes callables)"
    if wrapper_class is not None or wrapper_kwargs:
        yield "a wrapper_class (wrap what is returned in a VecEnvWrapper, such as VecNormalize)"
    if vec_env_cls is not None:
        yield f"vec_env_cls={vec_env_cls!r} (leave it out: one batch is faster than processes)"
    if vec_env_kwargs:
        yield f"vec_env_kwargs={vec_env_kwargs!r}, which are of other classes (leave them out)"


def _refused_settings(given: Mapping[str, Any], monitored: Mapping[str, Any]) -> Iterator[str]:
    """Say which settings of the environments and of the monitor cannot be had."""
    for name, value in (("autoreset_mode", AutoresetMode.SAME_STEP), ("tensors", False)):
        if name in given:
            yield f"{name} in env_kwargs, which is {value} for SB3 (leave it out)"
    for name, value in monitored.items():
        # What SB3's Monitor does anyway may be said.
        usual = {"allow_early_resets": True, "reset_keywords": (), "override_existing": True}
        if name != "info_keywords" and (name not in usual or value != usual[name]):
            yield f"{name}={value!r} in monitor_kwargs (give info_keywords alone)"
