"""Steps of a real environment that can be taken again from where they began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

from learned_envs.systems.spec import SystemSpec

Array = np.ndarray[Any, Any]

EVERYTHING = mujoco.mjtState.mjSTATE_INTEGRATION
"""All that MuJoCo's own step depends on."""


@dataclass(frozen=True)
class Moment:
    """One step of a real environment, and all that MuJoCo knew before it.

    Attributes:
        q: (nq,) before the step.
        v: (nv,) before the step.
        leaves: what else the spec counts to the state, before the step, by name.
        action: (nu,) float32.
        next_v: (nv,) after the step.
        time: that the step took, seconds.
        whole: MuJoCo's whole state before the step.
        warm: (nv,) what its solver starts from.
        contacts: pairs of geoms that were in contact before the step.
        stable: whether the simulation did not blow up, upon which MuJoCo resets it.
    """

    q: Array
    v: Array
    leaves: dict[str, Array]
    action: Array
    next_v: Array
    time: float
    whole: Array
    warm: Array
    contacts: tuple[tuple[int, int], ...]
    stable: bool


class Subject:
    """A real environment that is asked about its motion.

    Attributes:
        base: the environment below all wrappers.
        model: MuJoCo's.
        data: MuJoCo's.
        spec: what is claimed of it.
    """

    def __init__(self, env: gym.Env[Any, Any], spec: SystemSpec) -> None:
        self.env, self.spec = env, spec
        base: Any = env.unwrapped
        self.base = base
        self.model: mujoco.MjModel = base.model
        self.data: mujoco.MjData = base.data

    def take(self, action: Array, outside: bool = False) -> Moment:
        """Take one step and remember where it began.

        Args:
            action: (nu,).
            outside: whether the environment is stepped as it was made, with its wrappers.
        """
        data = self.data
        whole = np.empty(mujoco.mj_stateSize(self.model, EVERYTHING))
        mujoco.mj_getState(self.model, data, whole, EVERYTHING)
        q, v, warm = data.qpos.copy(), data.qvel.copy(), data.qacc_warmstart.copy()
        leaves = {name: np.array(getattr(data, name)) for name, _ in self.spec.leaves}
        pairs = tuple((int(contact.geom1), int(contact.geom2)) for contact in data.contact)
        begin, warned = data.time, self._unstable()
        (self.env if outside else self.base).step(action)
        taken = float(data.time - begin)
        stable = bool(np.isfinite(data.qvel).all()) and self._unstable() <= warned
        return Moment(q, v, leaves, action, data.qvel.copy(), taken, whole, warm, pairs, stable)

    def again(
        self,
        moment: Moment,
        q: Array | None = None,
        v: Array | None = None,
        *,
        warm: bool = True,
        restored: int = 0,
        outside: bool = False,
    ) -> Array:
        """Take a step again from its q, v and leaves alone, and return v after it, (nv,).

        Args:
            moment: the step.
            q: where to begin instead.
            v: how fast to begin instead.
            warm: whether MuJoCo's solver starts from where it did, which is no part of the state.
            restored: bits of `mjtState` for what else of MuJoCo's state is given back.
            outside: as in `take`.
        """
        model, data = self.model, self.data
        mujoco.mj_resetData(model, data)
        if restored:
            size = mujoco.mj_stateSize(model, restored)
            part = np.empty(size)
            mujoco.mj_extractState(model, moment.whole, EVERYTHING, part, restored)
            mujoco.mj_setState(model, data, part, restored)
        self.place(moment.q if q is None else q, moment.v if v is None else v, moment.leaves)
        if warm:
            data.qacc_warmstart[:] = moment.warm
        else:
            data.qacc_warmstart[:] = 0.0
        (self.env if outside else self.base).step(moment.action)
        return np.array(data.qvel)

    def place(self, q: Array, v: Array, leaves: dict[str, Array]) -> None:
        """Set the state, and what MuJoCo derives from it."""
        self.data.qpos[:], self.data.qvel[:] = q, v
        for name, leaf in leaves.items():
            getattr(self.data, name)[...] = leaf
        mujoco.mj_forward(self.model, self.data)

    def explore(self, runs: int, steps: int, seed: int) -> list[Moment]:
        """Take steps from the environment's own starts and from around them, at random.

        A run ends where the simulation blows up.
        """
        rng = np.random.default_rng(seed)
        moments = []
        low, high = np.array(self.spec.control_low), np.array(self.spec.control_high)
        for run in range(runs):
            self.env.reset(seed=seed + run)
            if run % 2:
                self._scatter(rng)
            for step in range(steps):
                # Actions that stay a while move the system farther.
                if step % 8 == 0 or run % 4 < 2:
                    action = rng.uniform(low, high).astype(np.float32)
                moment = self.take(action, outside=True)
                if not moment.stable:
                    break
                moments.append(moment)
        return moments

    def _unstable(self) -> int:
        """Return how often MuJoCo said that the simulation blew up."""
        signs = (f"mjWARN_BAD{array}" for array in ("QPOS", "QVEL", "QACC"))
        return sum(self.data.warning[getattr(mujoco.mjtWarning, sign)].number for sign in signs)

    def _scatter(self, rng: np.random.Generator) -> None:
        """Move the start as collections do, within the joints' limits."""
        model, q = self.model, self.data.qpos.copy()
        mujoco.mj_integratePos(model, q, rng.normal(scale=0.1, size=model.nv), 1.0)
        for joint in self.spec.joints:
            if joint.limits is not None and joint.kind != "free":
                q[joint.q] = min(max(q[joint.q], joint.limits[0]), joint.limits[1])
        self.place(q, rng.normal(size=model.nv), {})


def state_bit(part: str) -> int:
    """Return a bit of `mjtState` by the end of its name; 0 if this MuJoCo has no such state."""
    return int(getattr(mujoco.mjtState, f"mjSTATE_{part}", 0))
