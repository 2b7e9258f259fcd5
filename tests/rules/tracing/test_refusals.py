"""What cannot be traced is refused: with the line, what it does there, and what would help."""

import own_robots as robots
import pytest
import refusals

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.tracing.trace import trace_rules

LINES = {
    "Loops": ("while x > 0.001", "more than 64 ways"),
    "Ranges": ("range(int(abs(", "an index, a range or a size"),
    "Draws": ("self.np_random.normal", "random numbers"),
    "DrawsAtLarge": ("np.random.uniform()", "random numbers"),
    "DrawsFromPython": ("random.random()", "random numbers"),
    "Pushes": ("self.data.xfrc_applied[1, 0] = ", "data.xfrc_applied"),
    "Places": ("self.data.qpos[0] = 0.0", "data.qpos"),
    "PlacesByName": ('self.data.joint("x").qvel[0] = 0.0', "data.qvel"),
    "Sorts": ("np.argsort(self.data.qpos)", "numpy.argsort"),
    "Solves": ("np.linalg.solve(", "solve"),
    "Picks": ("[int(self.data.qpos[0] * 3)]", "an index"),
    "Catches": ("np.argsort(self.data.qpos)", "numpy.argsort"),
    "Masks": ("[self.data.qpos > 0]", "an index"),
    "Jacobian": ("mujoco.mj_jacSite(", "mj_jacSite"),
    "Rays": ("mujoco.mj_ray(", "mj_ray"),
    "Solver": ("self.data.efc_force", "data.efc_force"),
    "WritesOutside": ("outside[0] = self.data.qpos[0]", "a plain number"),
    "ManyConditions": ("if number > 0", "more than 64 ways"),
    "Text": ("float(str(", "could not convert string"),
    "Mistake": ("self.data.qpos.byteswap()", "byteswap"),
}

WHOLE = {
    "TwiceOrOnce": "calls physics [1, 2] times",
    "ForgetsPhysics": "calls no physics",
    "OtherShape": "an observation of shape",
    "OtherInfo": "info.shape of shapes",
}


def refused(env):
    env.reset(seed=0)
    with pytest.raises(UntraceableRulesError) as error:
        trace_rules(env)
    return error.value


@pytest.mark.parametrize("name", LINES)
def test_the_error_names_the_line(name):
    error = refused(getattr(refusals, name)())
    code, what = LINES[name]
    assert code in str(error)
    assert what in str(error)
    assert "refusals.py:" in str(error)
    assert error.place.partition(":")[0].endswith("refusals.py") or what.startswith("more")


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_no_single_line(name):
    assert WHOLE[name] in str(refused(getattr(refusals, name)()))


def test_what_a_cost_is_in_the_middle_of_a_step():
    error = refused(robots.PaidInTheMiddle())
    assert "reward" in str(error)
    assert "between two calls of physics" in str(error)
    assert "middle.0.xpos" in str(refused(refusals.Looks()))


def test_a_refusal_leaves_the_environment_as_it_was():
    env, twin = refusals.Draws(), refusals.Draws()
    for each in (env, twin):
        each.reset(seed=0)
    refused_env = env
    with pytest.raises(UntraceableRulesError):
        trace_rules(refused_env)
    assert not hasattr(refusals.Robot, "float")
    action = env.action_space.low
    assert env.step(action)[0].tolist() == twin.step(action)[0].tolist()
