"""Steps of a real environment that can be taken again from where they began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

from learned_envs.errors import SystemSpecError
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.copying import EVERYTHING, state_of
from learned_envs.systems.spec import SystemSpec

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Moment:
    """Where a step of a real environment begins.

    Attributes:
        q: (nq,).
        v: (nv,).
        leaves: what else the spec counts to the state, (size,) each, by name.
        warm: (nv,) what MuJoCo's solver starts from; None for zeros.
        whole: all that MuJoCo's own step depends on; None if that is not known.
    """

    q: Array
    v: Array
    leaves: dict[str, Array]
    warm: Array | None = None
    whole: Array | None = None


@dataclass(frozen=True)
class Step:
    """A step that a real environment took.

    Attributes:
        begin: where it began.
        action: (nu,) float32.
        outcome: (2 nv,) v after it, and how far q went, in its tangent space.
        time: that it took, seconds.
        contacts: pairs of geoms that were in contact before it.
    """

    begin: Moment
    action: Array
    outcome: Array
    time: float
    contacts: tuple[tuple[int, int], ...]


class Subject(Adapter):
    """A real environment that is asked about its motion.

    Attributes:
        spec: what is claimed of it.
        ended: whether the last step that was taken ended an episode.
    """

    def __init__(self, env: gym.Env[Any, Any], spec: SystemSpec) -> None:
        super().__init__(env, spec.leaves)
        self.spec = spec
        self.ended = False

    def now(self) -> Moment:
        """Remember where the next step begins."""
        data = self.data
        whole = state_of(self.model, data)
        warm = data.qacc_warmstart.copy()
        return Moment(data.qpos.copy(), data.qvel.copy(), self.leaves(), warm, whole)

    def take(self, action: Array) -> Step | None:
        """Step the environment with its wrappers; None if the simulation blows up.

        Args:
            action: (nu,) float32.
        """
        begin, time, warned = self.now(), self.data.time, self._warnings()
        pairs = tuple((int(contact.geom1), int(contact.geom2)) for contact in self.data.contact)
        _, _, terminated, truncated, _ = self.step(action, outside=True)
        self.ended = terminated or truncated
        if self._warnings() > warned or not np.isfinite(self.data.qvel).all():
            return None
        time = float(self.data.time - time)
        return Step(begin, action, self.outcome(begin.q), time, pairs)

    def outcome(self, q: Array) -> Array:
        """Return v now, and how far it is from `q` in its tangent space, (2 nv,)."""
        away = np.empty(self.model.nv)
        mujoco.mj_differentiatePos(self.model, away, 1.0, q, self.data.qpos)
        return np.concatenate([self.data.qvel, away])

    def again(
        self,
        moment: Moment,
        action: Array,
        *,
        restored: int = 0,
        outside: bool = False,
        time: float = 0.0,
    ) -> Any:
        """Step from a moment, and from nothing else that was before.

        Args:
            moment: where the step begins.
            action: (nu,) float32.
            restored: bits of `mjtState` for what of the whole state is given back too.
            outside: whether the wrappers take part.
            time: when it is, if that is not given back.

        Returns:
            What `step` returns; `data` has the state.
        """
        model, data = self.model, self.data
        part = None
        if restored:
            mujoco.mj_setState(model, data, moment.whole, EVERYTHING)
            part = state_of(model, data, restored)
        mujoco.mj_resetData(model, data)
        data.time = time
        if part is not None:
            mujoco.mj_setState(model, data, part, restored)
        self.place(moment)
        return self.step(action, outside=outside)

    def place(self, moment: Moment) -> None:
        """Set the state, and what MuJoCo derives from it."""
        self.set_state(moment.q, moment.v, moment.leaves)
        self.data.qacc_warmstart[:] = 0.0 if moment.warm is None else moment.warm

    def explore(self, runs: Sequence[int], seed: int) -> list[Step]:
        """Take steps from the environment's own starts and from around them, at random.

        Args:
            runs: how many steps each run has, which ends where the simulation blows up.
            seed: decides what is drawn.
        """
        rng = np.random.default_rng(seed)
        taken = []
        low, high = np.array(self.spec.control_low), np.array(self.spec.control_high)
        for run, steps in enumerate(runs):
            self.reset(seed=seed + run)
            self.ended = False
            if run % 2:
                self._scatter(rng)
            for index in range(steps):
                # Actions that stay a while move the system farther.
                if index % 8 == 0 or run % 4 < 2:
                    action = rng.uniform(low, high).astype(np.float32)
                try:
                    step = self.take(action)
                except SystemSpecError:
                    # Some environments refuse to be stepped after an end.
                    if not self.ended:
                        raise
                    self.reset(seed=seed + run + (1 + index) * len(runs))
                    self.ended = False
                    continue
                if step is None:
                    break
                taken.append(step)
        return taken

    def _warnings(self) -> int:
        """Return how often MuJoCo said that the simulation blew up; then it resets itself."""
        signs = (f"mjWARN_BAD{array}" for array in ("QPOS", "QVEL", "QACC"))
        return sum(self.data.warning[getattr(mujoco.mjtWarning, sign)].number for sign in signs)

    def _scatter(self, rng: np.random.Generator) -> None:
        """Move the start as collections do, within the joints' limits."""
        model, q = self.model, self.data.qpos.copy()
        mujoco.mj_integratePos(model, q, rng.normal(scale=0.1, size=model.nv), 1.0)
        for joint in self.spec.joints:
            if joint.limits is not None and joint.kind != "free":
                q[joint.q] = min(max(q[joint.q], joint.limits[0]), joint.limits[1])
        self.place(Moment(q, rng.normal(size=model.nv), {}))


def state_bit(part: str) -> int:
    """Return a bit of `mjtState` by the end of its name; 0 if this MuJoCo has no such state."""
    return int(getattr(mujoco.mjtState, f"mjSTATE_{part}", 0))
