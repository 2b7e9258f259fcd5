"""What is asked of steps that a real environment took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import mujoco
import numpy as np

from learned_envs.errors import SystemSpecError
from learned_envs.systems.moment import Array, Moment, Step, Subject, state_bit
from learned_envs.systems.shapes import trees_that_meet, unseen_contacts
from learned_envs.systems.spec import Leaf

REPEATED = 50
"""How many of the steps are taken again for each question."""
SAME = 1e-6
"""Share of the spread of a step's change within which two results are one."""
CONVERGED = 0.02
"""What the solver's own start may do to nine steps in ten. Humanoid-v5, whose solver is the
coarsest of Gymnasium's, has 1e-6."""
NAMED = 4
"""Joints that a message names, at most."""
LATEST = 60.0
"""Seconds; when a step is taken again, at the latest."""
FARTHEST = 5.0
"""Metres that a cyclic coordinate is moved at most."""

OTHER_STATE = {
    "TIME": "the time",
    "ACT": "activations of actuators",
    "PLUGIN": "the state of a plugin",
    "HISTORY": "delayed controls or readings",
    "PLASTIC": "what plastic springs remember",
    "CTRL": "the last control",
    "QFRC_APPLIED": "forces that are applied from outside (qfrc_applied)",
    "XFRC_APPLIED": "forces that are applied from outside (xfrc_applied)",
    "EQ_ACTIVE": "equality constraints that are switched (eq_active)",
    "MOCAP_POS": "where mocap bodies are (mocap_pos)",
    "MOCAP_QUAT": "how mocap bodies are turned (mocap_quat)",
    "USERDATA": "user data (userdata)",
}
"""What of MuJoCo's state is neither q nor v, by the end of its name in `mjtState`."""


class Questions:
    """Takes steps of a real environment again, and compares.

    Each question yields a sentence or two for each trait that is not as the spec says.
    """

    def __init__(self, subject: Subject, steps: list[Step], seed: int) -> None:
        self.subject, self.spec, self.steps = subject, subject.spec, steps
        self.rng = np.random.default_rng(seed)
        # In no order, so that what remembers the step before is not helped by it.
        self.picked = [steps[i] for i in self.rng.permutation(len(steps))[:REPEATED]]
        # How v changes, and how far q goes: each has a unit of its own.
        changes = np.array([step.outcome for step in steps]).reshape(len(steps), 2, -1)
        changes[:, 0] -= [step.begin.v for step in steps]
        spread = np.std(changes, axis=0)
        self.scale = (spread + 1e-3 * spread.max(-1, initial=0.0, keepdims=True) + 1e-9).ravel()

    def clock(self) -> Iterator[str]:
        """Ask how long a step takes."""
        times = {round(step.time, 9) for step in self.steps}
        if times != {round(self.spec.dt, 9)}:
            yield (
                f"A step takes {' or '.join(f'{time:g}' for time in sorted(times))} s, the spec "
                f"says {self.spec.dt:g} s, {self.spec.frame_skip} solver steps of "
                f"{self.spec.timestep:g} s. Let frame_skip say how many it takes."
            )

    def state(self) -> Iterator[str]:
        """Ask whether q, v, leaves and action determine the step."""
        if (error := self._worst(self._again)) <= SAME:
            cold = float(np.quantile(self._errors(self._cold), 0.9))
            if cold > CONVERGED:
                yield (
                    f"MuJoCo's solver is not converged: what it starts from changes steps by "
                    f"{_share(cold)}. Raise iterations in the MJCF's option."
                )
            late = self._worst(self._late)
            if late > SAME:
                yield f"The motion depends on the time, by {_share(late)}. Leave that out of it."
            return
        noise = max(self._error(self._again(one), self._again(one)) for one in self.picked)
        if noise > SAME:
            yield (
                f"Two steps from one state by one action differ by {_share(noise)}: the "
                "environment draws noise, or remembers what was before. Leave that out of it, "
                "and let agents meet it in a wrapper."
            )
            return
        words = self._what_matters()
        yield f"The motion depends on {words}, by {_share(error)}. Leave that out of the system."

    def seen(self, leaf: Leaf) -> bool:
        """Ask whether the motion depends on a leaf, by what it was in other steps."""
        return self._worst(partial(self._swapped, leaf.name)) > SAME

    def timed(self) -> bool:
        """Ask whether the motion depends on the time."""
        return self._worst(self._late) > max(SAME, 3 * self._worst(self._again))

    def not_the_same(self) -> Iterator[tuple[str, dict[int, float]]]:
        """Ask where the motion is not the same although the spec says so.

        Yields:
            In words where it should be, and by how much it differs for each place in q.
        """
        limit = max(SAME, 3 * self._worst(self._again))
        for indices, change, words in (
            (self.spec.cyclic, self._shifted, "wherever the system is along it"),
            (self.spec.turning, self._turned, "after a whole turn of it"),
        ):
            errors = {place: self._worst(partial(change, place)) for place in indices}
            yield words, {place: error for place, error in errors.items() if error > limit}

    @property
    def headings(self) -> list[int]:
        """First places in q of the joints whose heading models do not see."""
        if self.spec.heading is not None:
            return [self.spec.heading[2]]
        unseen = {*self.spec.cyclic, *self.spec.adrift}
        return [j.q for j in self.spec.joints if j.kind == "free" and j.q in unseen]

    def headed(self) -> float:
        """Ask by how much the motion depends on headings; 0 if it may or does not.

        Bodies that are adrift are also shifted, all by the same. It is asked without contacts: the
        pyramids that MuJoCo makes of friction cones stand along axes of the world, which tells
        headings apart by up to 0.7 of a step's spread for Humanoid-v5.
        """
        if not self.headings:
            return 0.0
        option = self.subject.model.opt
        flags, limit = option.disableflags, max(SAME, 3 * self._worst(self._again))
        option.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONTACT
        try:
            pairs = [(self._headed(step), self._again(step)) for step in self.picked]
        finally:
            option.disableflags = flags
        error = max(self._error(one, other) for one, other in pairs)
        return error if error > limit else 0.0

    def symmetries(self) -> Iterator[str]:
        """Ask whether the motion is the same where the spec says so."""
        spec = self.spec
        for words, wrong in self.not_the_same():
            if wrong:
                named = ", ".join([self._joint(i) for i in wrong][:NAMED])
                yield (
                    f"The motion should be the same {words}, and it is not, for {named}: it "
                    f"differs by {_share(max(wrong.values()))}. Give the joint limits, so that "
                    "models see where it is."
                )
        if error := self.headed():
            named = ", ".join(self._joint(place) for place in self.headings[:NAMED])
            yield (
                f"The motion should be the same wherever the system heads, and it is not, for "
                f"{named}: it differs by {_share(error)}. Remove what has a direction, such as "
                "wind, or give the joint limits."
            )
        met = any(joint.met for joint in spec.joints)
        if spec.cyclic and not met and (shapes := trees_that_meet(self.subject.model)):
            yield (
                f"{shapes} move apart from each other and can collide, so the motion depends on "
                f"where {', '.join(map(self._joint, spec.cyclic))} is, which models do not see. "
                "Give the joint limits, or exclude the contact."
            )

    def contacts(self) -> Iterator[str]:
        """Ask whether contacts are between shapes that a model sees."""
        pairs = (pair for step in self.steps for pair in step.contacts)
        if unseen := unseen_contacts(self.subject.model, self.spec, pairs):
            yield (
                f"{unseen} are shown by no feature. Models see spheres, capsules, cylinders, "
                "boxes, ellipsoids and meshes that touch one another or planes of the world: use "
                "those."
            )

    def _what_matters(self) -> str:
        """Say what a step depends on beside q, v, leaves and action."""
        for part, words in OTHER_STATE.items():
            bit = state_bit(part)
            if bit and self._worst(partial(self._again, restored=bit)) <= SAME:
                return words
        if self._worst(partial(self._again, outside=True)) <= SAME:
            return "a wrapper of the environment"
        return (
            "more than q, v and the action: on what Python code remembers, such as a delay, a "
            "filter or a constant of the episode"
        )

    def _errors(self, result: Callable[[Step], Array]) -> list[float]:
        return [self._error(result(step), step.outcome) for step in self.picked]

    def _worst(self, result: Callable[[Step], Array]) -> float:
        return max(self._errors(result))

    def _error(self, one: Array, other: Array) -> float:
        # What is not finite is as wrong as can be.
        return float(np.nan_to_num(np.abs(one - other) / self.scale, nan=np.inf).max(initial=0.0))

    def _joint(self, place: int) -> str:
        """Name the joint that a place in q belongs to."""
        joint = max((j for j in self.spec.joints if j.q <= place), key=lambda j: j.q)
        return f"q[{place}] of joint {joint.name!r}"

    def _again(self, step: Step, begin: Moment | None = None, **how: Any) -> Array:
        """Take a step again, or from elsewhere, and return its outcome; `how` as in `again`."""
        moment = step.begin if begin is None else begin
        self.subject.again(moment, step.action, **how)
        return self.subject.outcome(moment.q)

    def _cold(self, step: Step) -> Array:
        return self._again(step, replace(step.begin, warm=None))

    def _late(self, step: Step) -> Array:
        return self._again(step, time=float(self.rng.uniform(0.0, LATEST)))

    def _swapped(self, name: str, step: Step) -> Array:
        other = self.steps[self.rng.integers(len(self.steps))].begin.leaves[name]
        if name == "time":
            other = self.rng.uniform(0.0, LATEST, 1)
        leaves = {**step.begin.leaves, name: other}
        try:
            return self._again(step, replace(step.begin, leaves=leaves))
        except SystemSpecError:
            # A flag, say, that the episode is over: no step is taken then.
            return step.outcome

    def _shifted(self, place: int, step: Step) -> Array:
        q = step.begin.q.copy()
        q[place] += self.rng.uniform(-FARTHEST, FARTHEST)
        return self._again(step, replace(step.begin, q=q))

    def _turned(self, place: int, step: Step) -> Array:
        q = step.begin.q.copy()
        q[place] += 2 * np.pi * self.rng.integers(1, 4)
        return self._again(step, replace(step.begin, q=q))

    def _headed(self, step: Step) -> Array:
        angle, level = self.rng.uniform(-np.pi, np.pi), []
        q, v = step.begin.q.copy(), step.begin.v.copy()
        if self.spec.heading is not None:
            x, y, turn = self.spec.heading
            q[turn] += angle
            level.append([x, y])
        else:
            away = self.rng.uniform(-FARTHEST, FARTHEST, 2) * bool(self.spec.adrift)
            about = np.array([np.cos(angle / 2), 0.0, 0.0, np.sin(angle / 2)])
            for joint in (j for j in self.spec.joints if j.q in self.headings):
                place, quat = slice(joint.q, joint.q + 2), q[joint.q + 3 : joint.q + 7]
                q[place] = _rotation(angle) @ q[place] + away
                mujoco.mju_mulQuat(quat, about, quat.copy())
                level.append([joint.v, joint.v + 1])
        for pair in level:
            v[pair] = _rotation(angle) @ v[pair]
        after = self._again(step, replace(step.begin, q=q, v=v)).reshape(2, -1)
        for pair in level:
            after[:, pair] = after[:, pair] @ _rotation(angle)
        return after.ravel()


def _share(error: float) -> str:
    return f"{error:.2g} of the spread of a step's change"


def _rotation(angle: float) -> Array:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
