"""What the rest of the package asks of a real environment, whoever wrote it."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.spaces import Box

from learned_envs.errors import LearnedEnvsError, SystemSpecError
from learned_envs.systems.flat import flat
from learned_envs.systems.locate import locate
from learned_envs.systems.slot import Slot
from learned_envs.systems.spec import Leaf

Array = np.ndarray[Any, Any]

LIBRARIES = ("/numpy/", "/gymnasium/", "/mujoco/", "<__array_function__")
"""Code that an environment calls wrongly sooner than it is wrong."""


class Adapter:
    """A real environment that simulates with MuJoCo.

    It is a Gymnasium environment that keeps an `MjModel` and an `MjData` somewhere: a `MujocoEnv`,
    a robot of gymnasium-robotics, or anybody's own.

    Attributes:
        env: as it was made, with its wrappers.
        base: the environment below all wrappers.
        slots: where the leaves of its state lie.
    """

    def __init__(self, env: gym.Env[Any, Any], leaves: Sequence[Leaf] = ()) -> None:
        """Take an environment.

        Args:
            env: wrapped or not.
            leaves: what belongs to its state beside q and v.

        Raises:
            ParameterError: if it keeps no MuJoCo data.
        """
        self.env = env
        self.base: Any = env.unwrapped
        self.slots = tuple(map(Slot.of, leaves))
        locate(self.base)

    @property
    def name(self) -> str:
        """The environment's id."""
        return self.base.spec.id if self.base.spec is not None else type(self.base).__name__

    @property
    def model(self) -> mujoco.MjModel:
        """MuJoCo's constants."""
        return locate(self.base)[0]

    @property
    def data(self) -> mujoco.MjData:
        """MuJoCo's state, and what it derives from that."""
        return locate(self.base)[1]

    @property
    def dt(self) -> float:
        """Time of one environment step, seconds; it is reset and stepped for that."""
        return self.solver_steps * float(self.model.opt.timestep)

    @property
    def solver_steps(self) -> int:
        """Solver steps in an environment step, measured; the environment is reset and stepped.

        Raises:
            SystemSpecError: if a step takes no time, or no whole number of solver steps.
        """
        self.reset(seed=0)
        before = self.data.time
        self.step(self.middle)
        took = float((self.data.time - before) / self.model.opt.timestep)
        if took < 0.5 or abs(took - round(took)) > 1e-3:
            raise SystemSpecError(
                f"A step of {self.name} takes {took:g} solver steps of {self.model.opt.timestep:g} "
                "s, expected 1 or more. Let every step of the environment step MuJoCo as often."
            )
        return round(took)

    @property
    def middle(self) -> Array:
        """The middle of the action space, (nu,)."""
        space = self.base.action_space
        low, high = np.nan_to_num(space.low, neginf=-1), np.nan_to_num(space.high, posinf=1)
        return np.asarray((low + high).ravel() / 2)

    def reset(self, seed: int | None = None) -> Array:
        """Reset the environment with its wrappers; return the flat observation (n,).

        Raises:
            SystemSpecError: if its code fails.
        """
        return self.begin(seed)[0]

    def begin(self, seed: int | None = None) -> tuple[Array, Any]:
        """Reset the environment; return its info too."""
        with told(self.name, "reset"):
            observation, info = self.env.reset(seed=seed)
        return flat(self.env.observation_space, observation), info

    def step(self, action: Array, *, outside: bool = False) -> tuple[Array, float, bool, bool, Any]:
        """Step the environment.

        Args:
            action: (nu,), flat.
            outside: whether the wrappers take part.

        Returns:
            What `step` of Gymnasium's environments returns, the observation flat (n,).

        Raises:
            SystemSpecError: if its code fails, or returns something else.
        """
        env = self.env if outside else self.base
        space = env.action_space
        given = np.reshape(action, space.shape) if isinstance(space, Box) else action
        with told(self.name, "step"):
            returned = env.step(given)
        if not isinstance(returned, tuple) or len(returned) != len(RETURNED):
            got = len(returned) if isinstance(returned, tuple) else type(returned).__name__
            raise SystemSpecError(
                f"step of {self.name} returns {got}, expected {len(RETURNED)} values: "
                f"{', '.join(RETURNED)}. Return these."
            )
        observation, reward, terminated, truncated, info = returned
        for name, value in zip(RETURNED[1:4], returned[1:4], strict=True):
            if np.ndim(value):
                raise SystemSpecError(
                    f"step of {self.name} returns a {name} of shape {np.shape(value)}, expected "
                    "one number. Return what lies in the array."
                )
        seen = flat(env.observation_space, observation)
        return seen, float(reward), bool(terminated), bool(truncated), info

    def leaves(self) -> dict[str, Array]:
        """Read what belongs to the state beside q and v, (size,) float64 each, by name."""
        return {slot.name: slot.get(self.base).ravel() for slot in self.slots}

    def set_state(self, q: Array, v: Array, leaves: Mapping[str, Array] | None = None) -> None:
        """Set the state, and what MuJoCo derives from it.

        Args:
            q: (nq,).
            v: (nv,).
            leaves: flat, by name; those that are not given stay as they are.
        """
        model, data = locate(self.base)
        for slot in self.slots:
            if leaves is not None and slot.name in leaves:
                slot.set(self.base, leaves[slot.name])
        data.qpos[:], data.qvel[:] = q, v
        mujoco.mj_forward(model, data)

    def observe(self) -> Array | None:
        """Return what is observed now, flat (n,); None if only a step or a reset can say it."""
        look = getattr(self.base, "_get_obs", None)
        if look is None or _needs_arguments(look):
            return None
        with told(self.name, "_get_obs"):
            return flat(self.base.observation_space, look())


RETURNED = ("observation", "reward", "terminated", "truncated", "info")
"""What a step of Gymnasium's environments returns."""


@contextmanager
def told(name: str, method: str) -> Iterator[None]:
    """Say which line of an environment's code failed.

    Raises:
        SystemSpecError: if what is done inside raises what is no error of ours.
    """
    try:
        yield
    except (LearnedEnvsError, KeyboardInterrupt, gym.error.Error):
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)[1:]
        own = [frame for frame in frames if not any(name in frame.filename for name in LIBRARIES)]
        frame = (own or frames)[-1]
        raise SystemSpecError(
            f"{method} of {name} fails at {frame.filename}:{frame.lineno}, {frame.line}: "
            f"{type(error).__name__}: {error}. Mend it there."
        ) from error


def _needs_arguments(function: Any) -> bool:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return True
    return False
