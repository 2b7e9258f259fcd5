"""What a spec claims of a real system that can be checked without a step of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.spaces.utils import flatten_space

from learned_envs.systems.adapter import Adapter
from learned_envs.systems.difference import differences
from learned_envs.systems.moment import state_bit
from learned_envs.systems.reference import describe
from learned_envs.systems.spec import ROUNDING, SystemSpec

HIDDEN_STATE = {
    "PLUGIN": ("plugin_state", "the state of a plugin"),
    "HISTORY": ("history", "delayed controls or readings"),
    "PLASTIC": ("plastic", "what plastic springs remember"),
}
"""What MuJoCo's physical state may hold beside q, v and activations, by the end of its name in
`mjtState`: its array, and words for it."""

RESETS, FAR = 5, 2.0
"""So many resets are centred elsewhere if their mean is so many times their range away."""


def broken_claims(
    env: gym.Env[Any, Any], spec: SystemSpec, *, strict: bool = True
) -> Iterator[str]:
    """Yield a sentence or two for each claim of a spec that does not hold.

    Args:
        env: the environment as it was made, with its wrappers.
        spec: what is claimed of it.
        strict: as in [`probe`][learned_envs.systems.probe.probe].
    """
    real = Adapter(env, spec.leaves)
    if not strict:
        # The spec that was found has the constants that this seed draws.
        real.reset(seed=0)
    found = differences(describe(env), spec)
    if strict and any(leaf.name.startswith("model.") for leaf in spec.leaves):
        # A spec may have the constants of the file, or those that a reset draws.
        real.reset(seed=0)
        drawn = {name for name, *_ in differences(describe(env), spec)}
        found = [each for each in found if each[0] in drawn]
    for name, got, expected in found:
        # How long a step takes is measured. A spec may say that more joints are held.
        if name.partition("[")[0] in ("reference_id", "leaves", "frame_skip"):
            continue
        if not (name.endswith(".held") and expected):
            yield f"{name} is {got}, the spec says {expected}. Describe the system anew."
    yield from other_actions(env)
    yield from _state(real, spec)
    if strict:
        yield from _start(real, spec)


def other_actions(env: gym.Env[Any, Any]) -> Iterator[str]:
    """Say whether an environment's wrappers take other actions than it does."""
    own = env.unwrapped.action_space
    if flatten_space(env.action_space) != flatten_space(own):
        yield (
            f"It takes actions of {env.action_space}, and the environment below its wrappers "
            f"takes {own}. Register it without the wrapper, and wrap it where agents act."
        )


def hidden_state(real: Adapter) -> Iterator[str]:
    """Say what MuJoCo counts to the state that can be no leaf."""
    named = {slot.name for slot in real.slots}
    for part, (array, words) in HIDDEN_STATE.items():
        bit = state_bit(part)
        if bit and array not in named and (size := mujoco.mj_stateSize(real.model, bit)):
            yield f"The motion depends on {words}, {size} numbers that q and v do not hold."


def _start(real: Adapter, spec: SystemSpec) -> Iterator[str]:
    """Ask where resets are centred."""
    starts = []
    for seed in range(RESETS):
        real.reset(seed=seed)
        starts.append(real.data.qpos.copy())
    # Some resets draw a number anywhere on one side, as those of Pusher-v5 do.
    away = np.abs(np.mean(starts, axis=0) - spec.q0) - FAR * np.ptp(starts, axis=0)
    if away.max(initial=0.0) > ROUNDING:
        worst = int(away.argmax())
        yield (
            f"Its resets are centred where q[{worst}] is {np.mean(starts, axis=0)[worst]:g}, and "
            f"the reference position qpos0 has {spec.q0[worst]:g}. Let the MJCF's own pose be the "
            "start, by pos, quat and ref, instead of a keyframe."
        )


def _state(real: Adapter, spec: SystemSpec) -> Iterator[str]:
    """Compare what MuJoCo counts to the state with q, v and the spec's leaves."""
    model = real.model
    for slot in real.slots:
        try:
            found = slot.get(real.base).size
        except (LookupError, AttributeError):
            found = 0
        if found != slot.size:
            yield (
                f"{slot.name!r} has {found} numbers, the spec's leaves say {slot.size}. Correct "
                "the spec."
            )
    if model.na and "act" not in {slot.name for slot in real.slots}:
        slow = [i for i in range(len(model.actuator_dyntype)) if model.actuator_dyntype[i]]
        names = ", ".join(model.actuator(i).name or str(i) for i in slow)
        yield (
            f"The motion depends on activations of actuators ({names}), {model.na} numbers that q "
            "and v do not hold. Use actuators without dynamics, or list "
            f'("act", {model.na}) in the spec\'s leaves and fit a family that computes them.'
        )
    yield from hidden_state(real)
