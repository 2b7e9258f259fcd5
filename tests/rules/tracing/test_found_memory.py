"""Memory that nobody named is found, where a step reads and changes it."""

import pytest
import remembering_robots
from retold import retold

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.tracing.trace import trace_rules
from learned_envs.systems.slot import Slot

MEMORY = {
    "Goals": {"env.goal", "env.reached"},
    "Feet": {"env.air", "env.last"},
    "Buffers": {
        *("env.actions", "env.speeds[1]", "env.kept['sum']", "env.kept['steps']", "env.phase"),
        *("env.places[1]", "env.places[2]", "env.mean"),
    },
    "Filtered": {"env.smooth.value"},
}


@pytest.mark.parametrize("name", MEMORY)
def test_memory_is_found(name):
    env = getattr(remembering_robots, name)()
    env.reset(seed=0)
    slots = trace_rules(env, search=True).found
    assert {slot.name for slot in slots} == MEMORY[name]
    errors = retold(env, slots, steps=300).errors
    wanted = {"observation", "reward", "terminated", "truncated"}
    # Actions are float32 in the environments.
    assert max(errors[each] for each in wanted) <= 1e-6
    assert max(error for each, error in errors.items() if each.startswith("memory.")) <= 1e-6


def test_memory_that_is_not_there_after_a_reset_is_refused():
    env = remembering_robots.Lazy()
    env.reset(seed=0)
    with pytest.raises(UntraceableRulesError, match=r"env\.previous.* as None after a reset"):
        trace_rules(env, search=True)
    told = trace_rules(env, search=True, whole=False)
    assert "env.previous" in " ".join(told.notes)


def test_memory_that_has_a_slot_is_not_found_again():
    env = remembering_robots.Goals()
    env.reset(seed=0)
    trace = trace_rules(env, [Slot("env.goal", (2,))], search=True)
    assert [slot.name for slot in trace.found] == ["env.reached"]
    assert {slot.name for slot in trace.changed} == {"env.unread"}
