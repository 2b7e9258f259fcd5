"""Where a part of a step cannot be traced, the others are: what is missing has a name."""

import copy

import numpy as np
import partial
import pytest
from retold import array, evaluated

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.tracing.cut import recorded_calls
from learned_envs.rules.tracing.trace import trace_rules


def reset(env):
    env.reset(seed=0)
    return env


def test_methods_are_cut_and_their_results_are_recorded():
    env = reset(partial.Forced())
    with pytest.raises(UntraceableRulesError, match=r"numpy\.argsort"):
        trace_rules(env)
    trace = trace_rules(env, whole=False)
    assert set(trace.cuts) == {"contact_cost", "sorted_speeds"}
    assert "mj_contactForce" in trace.cuts["contact_cost"]
    assert not trace.missing
    assert trace.step.inputs["after.call.sorted_speeds"] == (3,)
    rng = np.random.default_rng(0)
    with recorded_calls(env, list(trace.cuts)) as calls:
        for _ in range(50):
            before = copy.copy(env.data)
            action = rng.uniform(-1, 1, 2).astype(np.float32)
            observation, reward, terminated, *_ = env.step(action)
            found = calls()

            def inputs(name, before=before, found=found, action=action):
                stage, _, rest = name.partition(".")
                if stage == "action":
                    return action
                if rest.startswith("call."):
                    return found[rest.removeprefix("call.")]
                return array(before if stage == "before" else env.data, rest)

            told = evaluated(trace.step, inputs)
            np.testing.assert_array_equal(told["observation"], observation)
            assert told["reward"] == pytest.approx(reward, abs=1e-12)
            assert told["terminated"] == terminated
    assert isinstance(type(env).sorted_speeds, property)
    assert env.contact_cost.__func__ is partial.Forced.contact_cost


def test_what_step_itself_does_is_missing():
    trace = trace_rules(reset(partial.Inline()), whole=False)
    assert set(trace.step.outputs) == {"observation", "ctrl"}
    assert set(trace.missing) == {"reward", "terminated", "truncated"}
    assert "np.argsort(self.data.qvel)[0]" in trace.missing["reward"]
    assert not trace.cuts


def test_a_control_that_cannot_be_traced_is_missing():
    trace = trace_rules(reset(partial.InlineBefore()), whole=False)
    assert set(trace.step.outputs) == {"observation"}
    assert set(trace.missing) == {"reward", "terminated", "truncated", "ctrl"}
