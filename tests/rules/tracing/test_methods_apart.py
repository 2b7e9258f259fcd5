"""Methods of an environment are traced by themselves where a step goes too many ways."""

from retold import retold
from rewarded_robots import Terms

from learned_envs.systems.slot import Slot


def test_ways_of_methods_are_added():
    found = retold(Terms(), [Slot("env.count", (), "int")], steps=300)
    assert found.terminated > 5
    wanted = {"observation", "reward", "terminated", "info.won", "memory.env.count", "info.right"}
    assert wanted <= set(found.errors)
    # Sums in another order differ by rounding.
    assert max(found.errors[name] for name in wanted) <= 1e-12
    # `tick` counts and `fill` writes, so that they cannot be traced by themselves.
    assert "memory.env.count" in found.trace.step.inputs
