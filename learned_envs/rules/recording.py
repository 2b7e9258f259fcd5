"""Steps of a real environment, with all that its rules may read of physics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces.utils import flatten

from learned_envs.rules.quantity import Array, Watch
from learned_envs.rules.tracing.cut import recorded_calls
from learned_envs.systems.locate import locate
from learned_envs.systems.slot import Slot

CALL, STEP = "after.call.", "after.step."
"""How inputs begin that are what a method, or the step itself, returned."""

LONGEST = 200
"""Steps of an episode."""

BEYOND = 20
"""Steps at most that an episode goes on for after its end."""

SCALES = (1.0, 1.0, 0.3, 0.0)
"""What random actions of an episode are multiplied by: falls, and standing still."""


@dataclass
class Recording:
    """What happened in some steps.

    Attributes:
        inputs: of rules: name -> (n, *shape) float64.
        outputs: as rules have them: `observation` (n, columns), `reward` (n,), `terminated` (n,),
            `truncated` (n,), `info.KEY`, `memory.LEAF`. Infos that are not in every step are left
            out.
    """

    inputs: dict[str, Array] = field(default_factory=dict)
    outputs: dict[str, Array] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.outputs["reward"])


def record_steps(
    env: gym.Env[Any, Any],
    inputs: Sequence[str],
    steps: int,
    seed: int = 0,
    slots: Sequence[Slot] = (),
) -> Recording:
    """Step a real environment by random actions, beyond its ends, and record.

    Args:
        env: a MuJoCo environment. It is stepped below all wrappers.
        inputs: names of what to copy from MuJoCo's data; see `Watch`.
        steps: how many.
        seed: of actions and resets.
        slots: where the memory of the rules lies.
    """
    base: Any = env.unwrapped
    rng = np.random.default_rng(seed)
    befores = list[dict[str, Array]]()
    afters = list[dict[str, Array]]()
    methods = [name.removeprefix(CALL) for name in inputs if name.startswith(CALL)]
    plain = [name for name in inputs if not name.startswith((CALL, STEP))]
    with recorded_calls(env, methods) as returned:
        _run(base, env, plain, steps, rng, slots, returned, befores, afters)
    found = Recording(_stacked(befores), _stacked(afters))
    for name in inputs:
        if name.startswith(STEP):
            # What is learned of a step is what it returned.
            found.inputs[name] = found.outputs[name.removeprefix(STEP)].astype(np.float64)
    return found


def _run(
    base: Any,
    env: gym.Env[Any, Any],
    inputs: Sequence[str],
    steps: int,
    rng: np.random.Generator,
    slots: Sequence[Slot],
    returned: Callable[[], dict[str, Array]],
    befores: list[dict[str, Array]],
    afters: list[dict[str, Array]],
) -> None:
    """Run episodes until there are enough steps."""
    while len(befores) < steps:
        base.reset(seed=int(rng.integers(2**31)))
        watch = Watch(locate(base)[1], inputs)
        for action in _actions(base.action_space, rng):
            memory = {f"memory.{slot.name}": slot.get(env) for slot in slots}
            with watch.step():
                observation, reward, terminated, truncated, info = base.step(action)
            calls = {f"{CALL}{name}": value for name, value in returned().items()}
            known = {"action": np.array(action, np.float64), **memory, **watch.values, **calls}
            befores.append(known)
            afters.append(
                {
                    "observation": np.array(flatten(base.observation_space, observation)),
                    "reward": np.array(reward, np.float64),
                    "terminated": np.array(terminated, bool),
                    "truncated": np.array(truncated, bool),
                    **numeric(info),
                    **{f"memory.{slot.name}": slot.get(env) for slot in slots},
                }
            )
            ended = terminated or truncated
            if len(befores) == steps or (ended and rng.random() < 1 / BEYOND):
                break


def numeric(info: Mapping[str, Any], prefix: str = "info") -> dict[str, Array]:
    """Return the infos that are numbers or arrays of them: info.KEY -> (*shape,) float64."""
    found = dict[str, Array]()
    for key, value in info.items():
        if isinstance(value, Mapping):
            found |= numeric(value, f"{prefix}.{key}")
        elif isinstance(value, bool | int | float | np.generic | np.ndarray):
            array = np.asarray(value)
            if array.dtype.kind in "biuf":
                found[f"{prefix}.{key}"] = array.astype(np.float64)
    return found


def _actions(space: Any, rng: np.random.Generator) -> Iterator[Any]:
    """Give the actions of one episode."""
    # What has no bounds is moved as if they were -1 and 1.
    low, high = (np.clip(bound, -1e6, 1e6) for bound in (space.low, space.high))
    low, high = np.where(space.low > -1e6, low, -1.0), np.where(space.high < 1e6, high, 1.0)
    middle, scale = (low + high) / 2, rng.choice(SCALES)
    for _ in range(LONGEST):
        yield (middle + scale * (rng.uniform(low, high) - middle)).astype(space.dtype)


def _stacked(rows: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return {name: np.stack([row[name] for row in rows]) for name in names}
