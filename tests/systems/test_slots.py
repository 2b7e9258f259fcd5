"""What an environment keeps beside q and v is found, and read and written where it lies."""

from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
from traits import TraitEnv, make, mjcf

from learned_envs.systems.changes import find, find_slots
from learned_envs.systems.slot import Slot
from learned_envs.systems.spec import Leaf, SystemSpec
from learned_envs.systems.walk import read, walk, write


class Remembering(TraitEnv):
    """Keeps numbers in every place that Python has."""

    def reset_model(self):
        self.last = np.zeros(1, dtype=np.float32)
        self.late = deque([np.zeros(1)] * 2, maxlen=2)
        self.steps = 0
        self.mean = 0
        self.controller = SimpleNamespace(gains={"hip": (0.0, 0.0)}, on=False)
        self.goal = self.np_random.uniform(size=2)
        self.model.body_mass[1] = self.np_random.uniform(1.0, 2.0)
        self.seen = super().reset_model()
        self.started, self.diary = None, []
        return self.seen

    def step(self, action):
        self.late.append(action)
        self.steps += 1
        self.mean = 0.9 * self.mean + 0.1 * float(action[0])
        integral = self.controller.gains["hip"][0] + float(action[0])
        self.controller.gains["hip"] = (integral, self.controller.gains["hip"][1])
        self.controller.on = self.controller.on ^ (action[0] > 0)
        self.started = self.started or self.steps
        self.diary.append(self.steps)
        self.seen, *_ = super().step(self.late[0] + 0.01 * integral)
        reward = -float(np.sum((action - self.last) ** 2)) + self.controller.on
        self.last = action.copy()
        return self.seen, reward, False, False, {}


@pytest.fixture(scope="module")
def env():
    return make(mjcf(), Remembering)


def test_what_changes_and_matters_is_found(env):
    found = {slot.name: slot for slot in find_slots(env)}
    assert {name: (slot.kind, slot.shape, slot.frozen) for name, slot in found.items()} == {
        "model.body_mass[1]": ("float", (), True),
        "env.last": ("float", (1,), False),
        # The older of the two is gone before a step reads it.
        "env.late[1]": ("float", (1,), False),
        "env.steps": ("int", (), False),
        "env.mean": ("float", (), False),
        "env.controller.gains['hip'][0]": ("float", (), False),
        "env.controller.on": ("bool", (), False),
        "env.goal": ("float", (2,), True),
    }


def test_what_is_not_always_there_is_named(env):
    unheld = find(env).unheld
    assert "env.started" in unheld
    assert "env.diary[0]" in unheld


def test_slots_write_the_type_that_lies_there(env):
    slots, base = find_slots(env), env.unwrapped
    env.reset(seed=0)
    for slot in slots:
        before = type(slot.found(env)), getattr(slot.found(env), "dtype", None)
        value = np.full(slot.shape, 1.0)
        slot.set(env, value.ravel())
        assert (type(slot.found(env)), getattr(slot.found(env), "dtype", None)) == before or (
            slot.name == "env.mean"
        )
        np.testing.assert_array_equal(slot.get(env), value)
    assert base.controller.gains["hip"] == (1.0, 0.0)
    assert base.controller.on is True
    assert type(base.steps) is int
    # The running mean is an int at resets, and a fraction must not be lost there.
    base.mean = 0
    Slot("env.mean", ()).set(env, np.array(0.25))
    assert base.mean == 0.25


def test_an_array_is_not_written_into(env):
    env.reset(seed=0)
    kept = env.unwrapped.goal
    before = kept.copy()
    Slot("env.goal", (2,)).set(env, np.array([5.0, 6.0]))
    np.testing.assert_array_equal(kept, before)


def test_paths_reach_what_walk_yields():
    root = SimpleNamespace(a=[1.0, (2.0, {"k": 3.0, 4: 5.0})], b=SimpleNamespace(c=np.ones(2)))
    root.b.back = root
    paths = dict(walk(root))
    assert list(paths) == ["a[0]", "a[1][0]", "a[1][1]['k']", "a[1][1][4]", "b.c"]
    for path, value in paths.items():
        assert read(root, path) is value
    write(root, "a[1][0]", 7.0)
    assert root.a == [1.0, (7.0, {"k": 3.0, 4: 5.0})]


def test_a_leaf_of_old_files_is_a_name_and_a_size(env):
    from learned_envs.systems.reference import describe

    spec = describe(env)
    old = SystemSpec.from_dict({**spec.to_dict(), "leaves": [["act", 2]]})
    assert old.leaves == (Leaf("act", 2, (2,), False, True, "float", ()),)
    assert SystemSpec.from_dict(old.to_dict()) == old
