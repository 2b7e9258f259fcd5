"""Find what a real environment keeps beside q and v: what changes, and what depends on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

from learned_envs.systems.adapter import Adapter
from learned_envs.systems.constants import constants_of
from learned_envs.systems.locate import locate
from learned_envs.systems.slot import ENV, MODEL, Kind, Slot, kind_of
from learned_envs.systems.walk import walk

Array = np.ndarray[Any, Any]

RESETS, STEPS = 6, 12
"""Episodes that are looked at, and steps of each."""
SAME = 1e-9
"""What rounding may do: times differ by it if they are summed from elsewhere."""
MOST = 10_000
"""Numbers in one leaf, at most."""

WHOLE = mujoco.mjtState.mjSTATE_INTEGRATION
CHOSEN = ("mocap_pos", "mocap_quat", "qfrc_applied", "xfrc_applied", "eq_active", "userdata")
"""Arrays of MuJoCo's data that an environment may set at a reset or in a step."""
PASSING = ("ctrl", "time")
"""What every step changes, and few steps depend on."""


@dataclass(frozen=True)
class Found:
    """What belongs to a real environment's state beside q and v.

    Attributes:
        slots: what it keeps, in a fixed order.
        unheld: what changes and cannot be a leaf, by its path, with the reason.
    """

    slots: tuple[Slot, ...]
    unheld: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Value:
    """What lay at a path at one moment."""

    numbers: Array
    kind: Kind
    identity: int


@dataclass(frozen=True)
class _Moment:
    """An environment at one moment; `values` has None where there are no numbers."""

    whole: Array
    values: Mapping[str, _Value | None]


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
        self.model, self.data = locate(env)
        self.seed, self.rng = seed, np.random.default_rng(seed)
        self.episodes: list[list[_Moment]] = []
        self.actions: list[list[Any]] = []

    def look(self, resets: int, steps: int) -> None:
        """Take random steps, and remember every moment."""
        self.base.action_space.seed(self.seed)
        # Some attributes are made by the first step.
        self.real.reset(seed=self.seed)
        self.real.step(self.base.action_space.sample())
        for episode in range(resets):
            self.real.reset(seed=self.seed + episode)
            moments, actions = [self._now()], []
            for _ in range(steps):
                actions.append(self.base.action_space.sample())
                _, _, terminated, truncated, _ = self.real.step(actions[-1])
                moments.append(self._now())
                if terminated or truncated:
                    break
            self.episodes.append(moments)
            self.actions.append(actions)

    def found(self) -> Found:
        """Return what changes and matters."""
        slots, unheld = self._changing()
        self.slots = slots
        kept = [slot for slot in slots if slot.frozen or slot.name == "act" or self._matters(slot)]
        return Found(tuple(kept), unheld)

    def _changing(self) -> tuple[list[Slot], dict[str, str]]:
        every = [moment.values for episode in self.episodes for moment in episode]
        slots, unheld = [], {}
        for name in dict.fromkeys(name for values in every for name in values):
            column = [values.get(name) for values in every]
            held = [value for value in column if value is not None]
            if not held:
                continue
            shapes = {value.numbers.shape for value in held}
            if len(held) < len(column) or len(shapes) > 1:
                if _differs(column):
                    unheld[name] = "is not always there, or not always of one shape"
                continue
            if not _differs(column) and not self._placed(name, held[0]):
                continue
            if held[0].numbers.size > MOST:
                unheld[name] = f"has {held[0].numbers.size:,} numbers, more than {MOST:,}"
                continue
            moving = any(
                _differs([moment.values[name] for moment in episode]) for episode in self.episodes
            )
            kinds = {value.kind for value in held}
            kind = kinds.pop() if len(kinds) == 1 else "float"
            slots.append(Slot(name, held[0].numbers.shape, kind, not moving))
        return _merged(list(_parts(slots, every)), every), unheld

    def _placed(self, name: str, value: _Value) -> bool:
        """Whether a mocap body is held elsewhere than where the model has it."""
        if name not in ("mocap_pos", "mocap_quat"):
            return False
        place = getattr(self.model, name.replace("mocap", "body"))[self.model.body_mocapid >= 0]
        return not np.allclose(value.numbers, place)

    def _now(self) -> _Moment:
        whole = np.empty(mujoco.mj_stateSize(self.model, WHOLE))
        mujoco.mj_getState(self.model, self.data, whole, WHOLE)
        return _Moment(whole, dict(self._values()))

    def _values(self) -> Iterator[tuple[str, _Value | None]]:
        names = [*(["act"] if self.model.na else []), *PASSING, *CHOSEN]
        for name in names:
            numbers = np.array(getattr(self.data, name), dtype=np.float64)
            if numbers.size:
                yield name, _Value(numbers, "float", 0)
        for name, constant in constants_of(self.model, MOST).items():
            if constant.dtype.kind in "fiub":
                kind = kind_of(constant) or "float"
                yield f"{MODEL}{name}", _Value(constant.astype(np.float64), kind, 0)
        for path, value in walk(self.base):
            found = kind_of(value)
            identity = id(value) if isinstance(value, np.ndarray) else 0
            yield (
                ENV + path,
                None
                if found is None
                else _Value(np.array(value, dtype=np.float64), found, identity),
            )

    def _matters(self, slot: Slot) -> bool:
        """Whether anything of a step depends on what lies in a slot before it."""
        for moments, actions in zip(self.episodes, self.actions, strict=True):
            for moment, action in zip(moments, actions, strict=False):
                other = self.episodes[self.rng.integers(len(self.episodes))]
                value = other[self.rng.integers(len(other))]
                changed = _value_of(slot, value.values)
                if np.array_equal(changed, _value_of(slot, moment.values)):
                    continue
                before = self._step(moment, action, {})
                after = self._step(moment, action, {slot.name: changed})
                # Every step counts the time, and that alone is no reason to.
                names = before.keys() - ({slot.name} & {*PASSING})
                if any(not _same(before[name], after[name]) for name in names):
                    return True
        return False

    def _step(self, moment: _Moment, action: Any, change: Mapping[str, Array]) -> dict[str, Array]:
        """Take a step again, with some slots changed; return all that came of it, by name."""
        mujoco.mj_setState(self.model, self.data, moment.whole, WHOLE)
        for slot in self.slots:
            slot.set(self.env, change.get(slot.name, _value_of(slot, moment.values)))
        warm = self.data.qacc_warmstart.copy()
        mujoco.mj_forward(self.model, self.data)
        self.data.qacc_warmstart[:] = warm
        self.base.np_random = np.random.default_rng(self.seed)
        observation, reward, terminated, truncated, _ = self.real.step(action)
        came = {slot.name: slot.get(self.env) for slot in self.slots}
        return came | {
            "q": self.data.qpos.copy(),
            "v": self.data.qvel.copy(),
            "observation": observation,
            "reward": np.array([reward, terminated, truncated], dtype=np.float64),
        }


def _differs(column: list[_Value | None]) -> bool:
    first = None if column[0] is None else column[0].numbers
    return any(
        (value is None) != (first is None)
        or (
            value is not None
            and first is not None
            and not np.array_equal(value.numbers, first, equal_nan=True)
        )
        for value in column[1:]
    )


def _parts(slots: list[Slot], every: list[Mapping[str, _Value | None]]) -> Iterator[Slot]:
    """Take of the model's constants only the rows that differ."""
    for slot in slots:
        if not slot.name.startswith(MODEL) or not slot.shape:
            yield slot
            continue
        rows = np.array([_numbers(values, slot.name) for values in every])
        rows = rows.reshape(*rows.shape[:2], -1)
        vary = np.flatnonzero((rows != rows[:1]).any((0, 2)))
        first, last = int(vary[0]), int(vary[-1]) + 1
        part = f"{first}" if last == first + 1 else f"{first}:{last}"
        shape = slot.shape[1:] if last == first + 1 else (last - first, *slot.shape[1:])
        yield replace(slot, name=f"{slot.name}[{part}]", shape=shape)


def _merged(slots: list[Slot], every: list[Mapping[str, _Value | None]]) -> list[Slot]:
    """Make one slot of paths that always hold the same array."""
    kept: dict[tuple[int, ...] | str, Slot] = {}
    for slot in slots:
        key: tuple[int, ...] | str = slot.name
        if slot.name.startswith(ENV):
            identities = tuple(v.identity for v in (values[slot.name] for values in every) if v)
            key = identities if all(identities) else slot.name
        if key in kept:
            kept[key] = replace(kept[key], others=(*kept[key].others, slot.path))
        else:
            kept[key] = slot
    return list(kept.values())


def _numbers(values: Mapping[str, _Value | None], name: str) -> Array:
    value = values[name]
    assert value is not None
    return value.numbers


def _value_of(slot: Slot, values: Mapping[str, _Value | None]) -> Array:
    """Return what lay in a slot at a moment."""
    if not slot.name.startswith(MODEL) or slot.name in values:
        return _numbers(values, slot.name)
    name, _, part = slot.name.rpartition("[")
    first, _, last = part.rstrip("]").partition(":")
    numbers = _numbers(values, name)
    return np.asarray(numbers[int(first) : int(last)] if last else numbers[int(first)])


def _same(one: Array, other: Array) -> bool:
    return bool(np.allclose(one, other, rtol=SAME, atol=SAME, equal_nan=True))
