"""Environments that remember, in the ways that people let them."""

import collections
from dataclasses import dataclass, field

import mujoco
import numpy as np
from own_robots import Robot


class Goals(Robot):
    """Goes from one goal to the next: seldom, so that random steps do not show it."""

    goals = np.array([[0.3, 0.1], [-0.3, 0.1], [0.5, 0.0]])

    def begin(self):
        self.reached = 0
        self.goal = self.goals[0].copy()
        self.unread = 0

    def step(self, action):
        self.physics(action)
        self.unread += 1
        away = np.linalg.norm(self.data.qpos[:2] - self.goal, ord=2)
        if self.data.body("trunk").xpos[2] < 0.45:
            return self._get_obs(), -10.0, True, False, {"away": away}
        reward = -away
        if away < 0.15:
            reward += 5
            self.reached = min(self.reached + 1, 2)
            self.goal = self.goals[self.reached].copy()
        return self._get_obs(), reward, False, self.reached >= 2, {"away": away}


class Feet(Robot):
    """Counts how long its parts were in the air, and whether they touch the floor."""

    columns = 20
    names = ("foot", "shin", "ball")

    def begin(self):
        self.air = np.zeros(3)
        self.last = np.zeros(3, dtype=bool)

    def contacts(self):
        found = np.zeros(3, dtype=bool)
        for index in range(self.data.ncon):
            contact = self.data.contact[index]
            for place, name in enumerate(self.names):
                geom = self.model.geom(name).id
                if (contact.geom1 == 0 and contact.geom2 == geom) or (
                    contact.geom2 == 0 and contact.geom1 == geom
                ):
                    found[place] = True
        return found

    def _get_obs(self):
        return np.concatenate(
            [self.data.qpos, self.data.qvel[:2], self.air, self.last.astype(float)]
        )

    def step(self, action):
        self.physics(action)
        touching = self.contacts()
        either = np.logical_or(touching, self.last)
        first = (self.air > 0) * either
        self.last = touching
        self.air += 0.02
        reward = np.sum((self.air - 0.1) * first)
        self.air *= ~either
        fallen = bool(not touching.any() and self.data.qpos[1] > 0.3)
        return self._get_obs(), float(reward), fallen, False, {"touching": int(touching.sum())}


class Buffers(Robot):
    """Keeps what it did in arrays that roll, lists, dicts and deques."""

    columns = 19

    def begin(self):
        self.actions = np.zeros((3, 2))
        self.speeds = [np.zeros(2) for _ in range(2)]
        self.kept = {"sum": np.zeros(2), "steps": 0}
        self.phase = 0.0
        self.places = collections.deque([np.zeros(2)] * 3, maxlen=3)
        self.mean = np.zeros(2)

    def _get_obs(self):
        return np.concatenate(
            [
                self.data.qpos[:5],
                self.actions.flatten(),
                np.concatenate(self.speeds),
                self.kept["sum"],
                [np.sin(self.phase), np.cos(self.phase)],
            ]
        )

    def step(self, action):
        self.physics(action)
        self.actions = np.roll(self.actions, 1, axis=0)
        self.actions[0] = action
        self.speeds = [*self.speeds[1:], self.data.qvel[:2].copy()]
        self.kept["sum"] = 0.5 * self.kept["sum"] + action
        self.kept["steps"] += 1
        self.phase = (self.phase + 0.3) % (2 * np.pi)
        self.places.append(self.data.qpos[:2] * 1)
        self.mean = self.mean * 0.9 + np.mean(self.places, axis=0) * 0.1
        reward = np.mean(np.array(self.places)) - np.std(self.actions) - np.abs(self.mean).max()
        if self.kept["steps"] % 5 == 0:
            reward += 1
        return self._get_obs(), reward, False, False, {}


@dataclass
class Gains:
    """Of a controller."""

    stiffness: float = 3.0
    damping: float = 0.1
    pose: np.ndarray = field(default_factory=lambda: np.array([0.1, -0.2]))


class Filter:
    """Smooths what it is called with."""

    def __init__(self, size):
        self.value = np.zeros(size)

    def __call__(self, new):
        self.value = self.value + 0.3 * (new - self.value)
        return self.value


class Filtered(Robot):
    """Follows smoothed targets by a controller at each solver step."""

    def begin(self):
        self.gains = Gains()
        self.smooth = Filter(2)

    def torque(self, target):
        error = target - self.data.qpos[3:5]
        return np.clip(
            self.gains.stiffness * error - self.gains.damping * self.data.qvel[3:5], -1, 1
        )

    def step(self, action):
        target = self.gains.pose + 0.5 * self.smooth(action)
        for _ in range(4):
            self.data.ctrl[:] = self.torque(target)
            mujoco.mj_step(self.model, self.data)
        away = np.sum((target - self.data.qpos[3:5]) ** 2)
        return self._get_obs(), float(np.exp(-away)), False, False, {"target": target}


class Lazy(Robot):
    """Begins to remember at its first step."""

    def begin(self):
        self.previous = None

    def step(self, action):
        self.physics(action)
        place = self.data.qpos[:2].copy()
        moved = 0.0 if self.previous is None else np.sum(place - self.previous)
        self.previous = place
        return self._get_obs(), moved, False, False, {}
