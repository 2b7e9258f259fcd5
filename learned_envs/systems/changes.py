"""Find what a real environment keeps beside q and v: what changes, and what depends on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

from learned_envs.errors import SystemSpecError
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.copying import EVERYTHING
from learned_envs.systems.slot import ENV, MODEL, Slot
from learned_envs.systems.snapshot import (
    MOST,
    NOTHING,
    PASSING,
    Snapshot,
    Value,
    differs,
    numbers_of,
)

Array = np.ndarray[Any, Any]

RESETS, STEPS = 6, 12
"""Episodes that are looked at, and steps of each."""
SAME = 1e-9
"""What rounding may do: times differ by it if they are summed from elsewhere."""
LATEST = 60.0
"""Seconds; when a step is taken again, at the latest."""


@dataclass(frozen=True)
class Found:
    """What belongs to a real environment's state beside q and v.

    Attributes:
        slots: what it keeps, in a fixed order.
        unheld: what changes and cannot be a leaf, by its path, with the reason.
    """

    slots: tuple[Slot, ...]
    unheld: Mapping[str, str] = field(default_factory=dict)


def find_slots(
    env: gym.Env[Any, Any], *, resets: int = RESETS, steps: int = STEPS, seed: int = 0
) -> tuple[Slot, ...]:
    """Return what a real environment keeps beside q and v; see `find`."""
    return find(env, resets=resets, steps=steps, seed=seed).slots


def find(
    env: gym.Env[Any, Any], *, resets: int = RESETS, steps: int = STEPS, seed: int = 0
) -> Found:
    """Reset and step an environment, and find what it keeps beside q and v.

    That is what differs between steps or resets: activations, mocap poses, constants of MuJoCo's
    model, and the numbers that its Python keeps. Left out is what a step writes before it reads it.
    What is constant within an episode stays, whether or not anything depends on it: a step that
    rewards the reach of a goal shows it only there.

    Args:
        env: wrapped or not; it is reset and stepped below its wrappers.
        resets: how many episodes are looked at.
        steps: how many steps of each.
        seed: decides what is drawn.
    """
    search = _Search(env, seed)
    search.look(resets, steps)
    return search.found()


class _Search:
    """Looks at an environment at many moments, and takes steps again with one thing changed."""

    def __init__(self, env: gym.Env[Any, Any], seed: int) -> None:
        self.env, self.base = env, env.unwrapped
        self.real = Adapter(self.base)
        self.slots: list[Slot] = []
        self.plain: dict[int, dict[str, Array]] = {}
        self.seed, self.rng = seed, np.random.default_rng(seed)
        self.episodes: list[list[Snapshot]] = []
        self.actions: list[list[Any]] = []

    def look(self, resets: int, steps: int) -> None:
        """Take random steps, and remember every moment."""
        self.base.action_space.seed(self.seed)
        # Some attributes are made by the first step.
        self.real.reset(seed=self.seed)
        self.real.step(self.base.action_space.sample())
        for episode in range(resets):
            self.real.reset(seed=self.seed + episode)
            moments, actions = [Snapshot.of(self.real)], []
            for _ in range(steps):
                actions.append(self.base.action_space.sample())
                _, _, terminated, truncated, _ = self.real.step(actions[-1])
                moments.append(Snapshot.of(self.real))
                if terminated or truncated:
                    break
            self.episodes.append(moments)
            self.actions.append(actions)

    def found(self) -> Found:
        """Return what changes and matters."""
        self.slots, unheld = self._changing()
        kept = [
            slot for slot in self.slots if slot.frozen or slot.name == "act" or self._matters(slot)
        ]
        return Found(tuple(kept), unheld)

    def _changing(self) -> tuple[list[Slot], dict[str, str]]:
        every = [moment.values for episode in self.episodes for moment in episode]
        slots, unheld = [], {}
        for name in dict.fromkeys(name for values in every for name in values):
            column = [values.get(name, NOTHING) for values in every]
            held = [value for value in column if isinstance(value, Value)]
            if not held:
                if differs(column) and NOTHING not in column:
                    unheld[name] = "is a text, and no number"
                continue
            # One number may be put where later there are some.
            shapes = {value.numbers.shape for value in held}
            shape = max(shapes, key=len)
            if len(held) < len(column) or len(shapes - {()}) > 1:
                if differs(column):
                    unheld[name] = "is not always there, or not always of one shape"
                continue
            if not differs(column) and not self._placed(name, held[0]):
                continue
            if held[0].numbers.size > MOST:
                unheld[name] = f"has {held[0].numbers.size:,} numbers, more than {MOST:,}"
                continue
            moving = any(
                differs([moment.values[name] for moment in episode]) for episode in self.episodes
            )
            kinds = {value.kind for value in held}
            kind = kinds.pop() if len(kinds) == 1 else "float"
            slots.append(Slot(name, shape, kind, not moving))
        return _merged(list(_parts(slots, every)), every), unheld

    def _placed(self, name: str, value: Value) -> bool:
        """Whether a mocap body is held elsewhere than where the model has it."""
        if name not in ("mocap_pos", "mocap_quat"):
            return False
        place = getattr(self.real.model, name.replace("mocap", "body"))[
            self.real.model.body_mocapid >= 0
        ]
        return not np.allclose(value.numbers, place)

    def _matters(self, slot: Slot) -> bool:
        """Whether anything of a step depends on what lies in a slot before it."""
        for moments, actions in zip(self.episodes, self.actions, strict=True):
            for moment, action in zip(moments, actions, strict=False):
                other = self.episodes[self.rng.integers(len(self.episodes))]
                value = other[self.rng.integers(len(other))]
                changed = value.of_slot(slot)
                if slot.name == "time":
                    # What happens at some time happens later than these few steps.
                    changed = np.array(self.rng.uniform(0.0, LATEST))
                if np.array_equal(changed, moment.of_slot(slot)):
                    continue
                before = self._plainly(moment, action)
                try:
                    after = self._step(moment, action, {slot.name: changed})
                except SystemSpecError:
                    # A flag, say, that the episode is over.
                    return True
                # Every step counts the time, and that alone is no reason to. A reset sets it.
                passing = {slot.name, "shown"} if slot.name in PASSING else set()
                names = before.keys() - passing
                if any(not _same(before[name], after[name]) for name in names):
                    return True
        return False

    def _plainly(self, moment: Snapshot, action: Any) -> dict[str, Array]:
        """Take a step again as it was; return what came of it that comes of it every time."""
        if id(moment) not in self.plain:
            one, other = (self._step(moment, action, {}) for _ in range(2))
            same = {name: value for name, value in one.items() if _same(value, other[name])}
            self.plain[id(moment)] = same
        return self.plain[id(moment)]

    def _step(self, moment: Snapshot, action: Any, change: Mapping[str, Array]) -> dict[str, Array]:
        """Take a step again, with some slots changed; return all that came of it, by name."""
        self._set(moment, change)
        # A step may overwrite what a reset shows.
        if (shown := self.real.observe()) is not None:
            self._set(moment, change)
        observation, reward, terminated, truncated, _ = self.real.step(action)
        came = {slot.name: slot.get(self.env) for slot in self.slots}
        return came | {
            "shown": np.zeros(0) if shown is None else shown,
            "q": self.real.data.qpos.copy(),
            "v": self.real.data.qvel.copy(),
            "observation": observation,
            "reward": np.array([reward, terminated, truncated], dtype=np.float64),
        }

    def _set(self, moment: Snapshot, change: Mapping[str, Array]) -> None:
        """Go back to a moment, with some slots changed."""
        mujoco.mj_setState(self.real.model, self.real.data, moment.whole, EVERYTHING)
        for slot in self.slots:
            slot.set(self.env, change.get(slot.name, moment.of_slot(slot)))
        warm = self.real.data.qacc_warmstart.copy()
        mujoco.mj_forward(self.real.model, self.real.data)
        self.real.data.qacc_warmstart[:] = warm
        self.base.np_random = np.random.default_rng(self.seed)


def _parts(slots: list[Slot], every: list[Mapping[str, Value | str]]) -> Iterator[Slot]:
    """Take of the model's constants only the rows that differ."""
    for slot in slots:
        if not slot.name.startswith(MODEL) or not slot.shape:
            yield slot
            continue
        rows = np.array([numbers_of(values, slot.name) for values in every])
        rows = rows.reshape(*rows.shape[:2], -1)
        vary = np.flatnonzero((rows != rows[:1]).any((0, 2)))
        first, last = int(vary[0]), int(vary[-1]) + 1
        part = f"{first}" if last == first + 1 else f"{first}:{last}"
        shape = slot.shape[1:] if last == first + 1 else (last - first, *slot.shape[1:])
        yield replace(slot, name=f"{slot.name}[{part}]", shape=shape)


def _merged(slots: list[Slot], every: list[Mapping[str, Value | str]]) -> list[Slot]:
    """Make one slot of paths that always hold the same array."""
    kept: dict[tuple[int, ...] | str, Slot] = {}
    for slot in slots:
        key: tuple[int, ...] | str = slot.name
        if slot.name.startswith(ENV):
            identities = tuple(_identity(values[slot.name]) for values in every)
            key = identities if all(identities) else slot.name
        if key in kept:
            kept[key] = replace(kept[key], others=(*kept[key].others, slot.path))
        else:
            kept[key] = slot
    return list(kept.values())


def _same(one: Array, other: Array) -> bool:
    return bool(np.allclose(one, other, rtol=SAME, atol=SAME, equal_nan=True))


def _identity(value: Value | str) -> int:
    return value.identity if isinstance(value, Value) else 0
