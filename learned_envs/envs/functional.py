"""A learned environment as pure functions, for loops that are written as in JAX."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from torch import Tensor

from learned_envs import argument, arrays, registry
from learned_envs.envs.batch import EnvState
from learned_envs.envs.core import EnvCore
from learned_envs.envs.options import EnvOptions
from learned_envs.errors import ArgumentTypeError, ShapeError
from learned_envs.state import leaves


class FunctionalEnv:
    """Many episodes inside a learned model as functions: `init` makes a state, `step` the next.

    They are pure. The same arguments give the same result, however often and in whatever order:
    randomness travels in the state, and neither a state nor the environment ever changes. So a
    state may be kept and stepped from again, a search can branch from it, and
    `learned_envs.state.leaves` and `mapped` see all that it holds. States share memory with those
    that they came from: do not change their tensors in place.

    Under one seed it gives what `LearnedVectorEnv` gives with `tensors=True`.

    Gradients flow from what a step gives to its action and to the state before, if one of these
    requires them. Such a step is taken uncompiled on a CPU.

    Attributes:
        num_envs: how many episodes run at once.
        single_action_space, single_observation_space: those of one episode, float32.

    Examples:
        >>> from learned_envs.envs import FunctionalEnv
        >>> env = FunctionalEnv("InvertedPendulum", num_envs=3)
        >>> state = env.init(seed=0)
        >>> for _ in range(5):
        ...     state = env.step(state, -state.observation[:, :1])
        >>> state.reward
        tensor([1., 1., 1.])
    """

    def __init__(self, task: str, num_envs: int = 1, **options: Any) -> None:
        """Load the model.

        Args:
            task: the registered name of the task, or the id of its environment. "LearnedSim-v0" if
                the checkpoint says what it is; then its step limit is the checkpoint's too.
            num_envs: how many episodes run at once.
            options: those of `LearnedVectorEnv`, the reference environment's own constructor
                parameters included. Two have other defaults: `autoreset_mode` is `SAME_STEP`, and
                `max_episode_steps` the reference's limit, as in `gym.make_vec`.

        Raises:
            UnknownNameError: if there is no such task.
            CheckpointError: if the weights cannot be read, or are of another task.
            ParameterError: if an option is unknown or out of range.
            ShapeError: if `starts` has another shape.
            DeviceError: if there is no such device.
        """
        num_envs = argument.count("num_envs", num_envs, most=2**31 - 1)
        known = None if task == registry.ANY else registry.task_of(task)
        if known is not None and options.get("max_episode_steps") is None:
            options["max_episode_steps"] = gym.spec(registry.env_id(known)).max_episode_steps
        options.setdefault("autoreset_mode", AutoresetMode.SAME_STEP)
        self._core = EnvCore(known, EnvOptions.of(**options), tensors=True)
        self.num_envs = num_envs
        self.single_action_space = self._core.task.action_space
        self.single_observation_space = self._core.observation_space

    @torch.no_grad()
    def init(self, seed: int) -> EnvState:
        """Begin all episodes; the seed determines all randomness that is to come.

        Raises:
            ParameterError: if the seed is no whole number, or is negative.
        """
        seeds, _ = seeding.np_random(argument.count("seed", seed, 0, None))
        return self._core.reset(self.num_envs, self._core.random(seeds))

    def step(self, state: EnvState, action: Tensor) -> EnvState:
        """Return where a step leads from a state.

        Args:
            state: from `init`, `step` or `reset`.
            action: (num_envs, nu); clamped for the model and raw for the reward.

        Raises:
            ActionError: if the action is not numeric or, on a CPU, not finite.
            ShapeError: if the action has another shape, or the state is of other environments.
            ArgumentTypeError: if the state is none.
            ResetNeededError: on a CPU with `AutoresetMode.DISABLED` past an episode's end.
        """
        self._check(state)
        action = self._core.action(action, (self.num_envs,))
        needed = any(leaf.requires_grad for leaf in (action, *leaves(state.episodes.state)))
        with torch.set_grad_enabled(needed and torch.is_grad_enabled()):
            return self._core.step(state.episodes, action)

    @torch.no_grad()
    def reset(self, state: EnvState, mask: Tensor) -> EnvState:
        """Begin new episodes in place of some, as `AutoresetMode.DISABLED` needs it.

        Args:
            state: from `init`, `step` or `reset`.
            mask: (num_envs) bool, which episodes.

        Raises:
            ShapeError: if the mask has another shape, or the state is of other environments.
            ArgumentTypeError: if the mask is no array of bool, or the state none.
        """
        self._check(state)
        mask = arrays.mask("mask", mask, self.num_envs, self._core.device)
        episodes = state.episodes
        return self._core.reset(self.num_envs, episodes.supply.random, episodes, mask)

    def _check(self, state: EnvState) -> None:
        if not isinstance(state, EnvState):
            raise ArgumentTypeError(
                f"Got a state of type {type(state).__name__}, expected what init, step or reset "
                "returned."
            )
        spec, own = self._core.task.spec, state.episodes.state
        for name, tensor, size in (("q", own.q, spec.nq), ("v", own.v, spec.nv)):
            if tensor.shape != (self.num_envs, size):
                raise ShapeError(
                    f"Got a state with {name} of shape {tuple(tensor.shape)}, expected "
                    f"{(self.num_envs, size)}: one of these environments."
                )
