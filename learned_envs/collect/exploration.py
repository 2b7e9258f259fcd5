"""Act in a real environment broadly: varied starts, varied noise, some falls."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, SupportsFloat

import gymnasium as gym
import mujoco
import numpy as np
import torch

from learned_envs.collect.lockstep import Lockstep
from learned_envs.collect.noise import Noise
from learned_envs.collect.recorded import RecordedEnvs
from learned_envs.collect.recorder import Driver, Policy, Recorder
from learned_envs.data.parts import Parts
from learned_envs.data.recording import Array
from learned_envs.errors import LearnedEnvsError, LockstepError
from learned_envs.state import State
from learned_envs.systems.adapter import Adapter
from learned_envs.systems.reference import UNLIMITED, make_reference
from learned_envs.tasks.task import Task

PERTURBED_FRACTION = 0.5
"""Share of the episodes that start away from the task's own starts."""
POSITION_SCALE = 0.2
"""Largest standard deviation of a start's positions, metres and radians."""
VELOCITY_SCALE = 2.0
"""Largest standard deviation of a start's velocities."""
SCATTERED_FRACTION = 0.75
"""Share of the perturbed starts that are recorded states, if there are any."""
DEEPEST_CONTACT = -0.002
"""Metres; a start that is deeper in the ground would be thrown out of it."""
FALL_FRACTION = 0.1
"""Share of the episodes that go on after their end."""
FALL_STEPS = 100
"""How many steps they go on."""
AT_REST, RESTING_STEPS = 1e-3, 25
"""A system without actuators that moved less fast for so many steps stays where it is."""
LANES, LANE_STEPS = 32, 500
"""Episodes that are stepped at once, at most, and steps for each of them, at least."""
LONGEST_TIME_CONSTANT = 50.0
"""Steps; the shortest is 1."""
ALTERNATING_FRACTION = 0.25
"""Share of the random actor's episodes whose actions change their sign at every step."""
POLICY_NOISE = (0.0, 0.1, 0.3, 0.6)
"""Standard deviations of what is added to a policy's action, in half widths of the range."""


def _ended(task: Task, real: Adapter) -> bool:
    """Whether the task ends an episode in the state of a real environment."""
    q, v = (torch.tensor(array) for array in (real.data.qpos, real.data.qvel))
    memory = {name: torch.from_numpy(leaf) for name, leaf in real.leaves().items()}
    return bool(task.terminated(State(q, v, memory)))


class PastTheEnd(gym.Wrapper[Array, Array, Array, Array]):
    """Let an episode go on after its end, and truncate it `FALL_STEPS` later.

    It is truncated at once where the environment refuses to go on.
    """

    _beyond = 0
    _seen: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start an episode."""
        self._beyond = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Array) -> tuple[Array, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, and never terminate."""
        try:
            observation, reward, terminated, truncated, info = self.env.step(action)
        except LearnedEnvsError:
            raise
        except Exception:
            if not self._beyond:
                raise
            return self._seen, 0.0, False, True, {}
        self._seen = observation
        self._beyond += bool(terminated or self._beyond)
        return observation, reward, False, truncated or self._beyond > FALL_STEPS, info


class Explorer:
    """Records broad episodes of one task: varied starts, varied noise, some falls."""

    def __init__(
        self,
        task: str,
        rules: Task,
        actors: Mapping[str, Policy | None],
        drivers: Mapping[str, Driver],
        starts: tuple[Array, Array] | None = None,
    ) -> None:
        """Remember what to record; the environment is made at the first call.

        Args:
            task: name of the task.
            rules: the task.
            actors: who acts, by name; None is the random actor.
            drivers: what steps environments of its own, by name.
            starts: states that were recorded before, (n, nq) and (n, nv). Episodes that start
                near them and take other actions cover what lies around known policies.
        """
        self.task = task
        self.rules, self.spec = rules, rules.spec
        self.actors = dict(actors)
        self.drivers = dict(drivers)
        self.starts = starts

    def record(self, actor: str, steps: int, rng: np.random.Generator, parts: Parts) -> None:
        """Record `steps` steps of one actor or driver; an actor's last episode is cut to fit.

        A driver takes about that many, because it may step many environments at once.

        Args:
            actor: who acts.
            steps: how many.
            rng: decides everything that is drawn.
            parts: takes them; nothing else does.
        """
        make_env = RecordedEnvs(self.task, self.rules, actor, parts.add)
        afresh = copy.deepcopy(rng)
        try:
            self._record(make_env, parts, steps, rng)
        except LockstepError as error:
            warnings.warn(f"{error} So it is recorded one episode at a time.", stacklevel=2)
            parts.begin_anew()
            self._record(replace(make_env, alone=True), parts, steps, afresh)
        parts.write()

    def _record(
        self, make_env: RecordedEnvs, parts: Parts, steps: int, rng: np.random.Generator
    ) -> None:
        actor = make_env.actor
        if actor in self.drivers:
            self.drivers[actor](self.task, make_env, steps, int(rng.integers(2**31)))
            return
        policy = self.actors[actor]
        lanes = min(max(steps // LANE_STEPS, 1), LANES)
        # Without actuators an episode ends at rest, which is looked for one at a time.
        if self.spec.nu and (together := make_env.lockstep(lanes)) is not None:
            with closing(together):
                self._together(together, policy, steps, rng)
            return
        upright, falling = make_env.around(self._env), make_env.around(PastTheEnd(self._env))
        while (left := steps - parts.steps) > 0:
            recorder = falling if rng.random() < FALL_FRACTION else upright
            self._episode(recorder, policy, left, rng)

    @cached_property
    def _env(self) -> gym.Env[Array, Array]:
        return make_reference(self.task)

    @cached_property
    def _range(self) -> tuple[Array, Array]:
        return np.array(self.spec.control_low), np.array(self.spec.control_high)

    def __getstate__(self) -> dict[str, Any]:
        """Keep what to record, and not the environment."""
        return {n: v for n, v in vars(self).items() if n != "_env"}

    def _episode(
        self, recorder: Recorder, policy: Policy | None, limit: int, rng: np.random.Generator
    ) -> None:
        observation, _ = recorder.reset(seed=int(rng.integers(2**31)))
        real = Adapter(recorder, self.spec.leaves)
        if rng.random() < PERTURBED_FRACTION:
            observation = self._perturb(real, recorder.set_state, rng)
        noise = self._noise(policy, rng)
        spec, still = recorder.spec, 0
        unlimited = spec is None or spec.max_episode_steps is None
        for _ in range(min(limit, UNLIMITED) if unlimited else limit):
            observation, _, terminated, truncated, _ = recorder.step(
                self._action(policy, observation, noise())
            )
            if terminated or truncated:
                return
            moves = self.spec.nu or np.abs(real.data.qvel).max(initial=0.0) > AT_REST
            still = 0 if moves else still + 1
            if still == RESTING_STEPS:
                break
        recorder.cut()

    def _together(
        self, lockstep: Lockstep, policy: Policy | None, steps: int, rng: np.random.Generator
    ) -> None:
        """Record as many steps of many episodes at once; those that are left are cut."""
        noises: list[Callable[[], Array]] = [np.empty(0).copy] * lockstep.count
        observations = np.zeros((lockstep.count, *(self.rules.observation_space.shape or ())))
        beyond, falling = np.zeros((2, lockstep.count), dtype=np.int64)
        over = np.ones(lockstep.count, dtype=bool)
        left, limit = steps, UNLIMITED if lockstep.limit is None else lockstep.limit
        while left > 0:
            for lane in np.flatnonzero(over).tolist():
                # Of its own, so that an episode does not depend on those beside it.
                own = np.random.default_rng(int(rng.integers(2**63)))
                beyond[lane], falling[lane] = 0, own.random() < FALL_FRACTION
                observations[lane] = self._begin(lockstep, lane, own)
                noises[lane] = self._noise(policy, own)
            lanes = np.arange(min(left, lockstep.count))
            noise = np.stack([noises[lane]() for lane in lanes])
            actions = self._action(policy, observations[lanes], noise)
            seen, _, ended, cut = lockstep.step(actions, lanes)
            observations[lanes] = seen
            left -= len(lanes)
            beyond[lanes] += (ended | (beyond[lanes] > 0)) & (falling[lanes] > 0)
            ended &= falling[lanes] == 0
            over[:] = False
            cut |= (beyond[lanes] > FALL_STEPS) | (lockstep.lengths[lanes] >= limit)
            over[lanes] = ended | cut
            for lane in np.flatnonzero(over).tolist():
                lockstep.deliver(lane, bool(ended[lane]))

    def _begin(self, lockstep: Lockstep, lane: int, rng: np.random.Generator) -> Array:
        observation = lockstep.reset(lane, int(rng.integers(2**31)))
        if rng.random() >= PERTURBED_FRACTION:
            return observation
        return self._perturb(Adapter(lockstep.env), partial(lockstep.set_state, lane), rng)

    def _perturb(
        self, real: Adapter, set_state: Callable[[Array, Array], Array], rng: np.random.Generator
    ) -> Array:
        """Move the start away from the task's, but neither into the ground nor to an end."""
        q0, v0 = real.data.qpos.copy(), real.data.qvel.copy()
        frozen = list(self.rules.frozen)
        if self.starts is not None and rng.random() < SCATTERED_FRACTION:
            row, own = rng.integers(len(self.starts[0])), q0
            q0, v0 = self.starts[0][row].copy(), self.starts[1][row]
            if self.spec.leaves:
                # A goal that stands in q may stand in a leaf too, which is the reset's.
                held = [joint.q for joint in self.spec.joints if joint.v in frozen]
                q0[held] = own[held]
        q_scale, v_scale = rng.uniform(0.0, (POSITION_SCALE, VELOCITY_SCALE))
        moving = np.ones(self.spec.nv)
        moving[frozen] = 0.0
        for _ in range(10):
            q, v = q0.copy(), v0 + v_scale * moving * rng.normal(size=self.spec.nv)
            shift = q_scale * moving * rng.normal(size=self.spec.nv)
            mujoco.mj_integratePos(real.model, q, shift, 1.0)
            for joint in self.spec.joints:
                if joint.limits is not None and joint.kind != "free":
                    q[joint.q] = min(max(q[joint.q], joint.limits[0]), joint.limits[1])
            q[list(self.spec.cyclic)] = q0[list(self.spec.cyclic)]
            observation = set_state(q, v)
            depth = min(real.data.contact.dist, default=0.0)
            if depth > DEEPEST_CONTACT and not _ended(self.rules, real):
                return observation
        return set_state(q0, v0)

    def _noise(self, policy: Policy | None, rng: np.random.Generator) -> Callable[[], Array]:
        """Draw what is added to the actions of an episode, (nu,) at each call."""
        low, high = self._range
        time_constant = float(np.exp(rng.uniform(0.0, math.log(LONGEST_TIME_CONSTANT))))
        if policy is None:
            scale = float(rng.uniform(0.2, 1.5))
            held, alternating = rng.random(2) < (0.5, ALTERNATING_FRACTION)
            noise = Noise(rng, self.spec.nu, time_constant, bool(held), bool(alternating))
        else:
            scale = float(rng.choice(POLICY_NOISE))
            noise = Noise(rng, self.spec.nu, time_constant * bool(rng.random() < 0.5))
        width = scale * (high - low) / 2
        return lambda: width * noise()

    def _action(self, policy: Policy | None, observation: Array, noise: Array) -> Array:
        """Return actions (*batch, nu) for observations (*batch, n), with noise (*batch, nu)."""
        low, high = self._range
        center = (low + high) / 2
        if policy is not None:
            center = np.asarray(policy(observation), dtype=np.float64).reshape(noise.shape)
        return np.asarray(np.clip(center + noise, low, high), dtype=np.float32)
