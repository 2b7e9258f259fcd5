"""Steps that ask which geoms touch: what they return depends on contacts as inputs."""

import mujoco
import numpy as np
import pytest
import touching_robots
from retold import retold

from learned_envs.errors import UntraceableRulesError
from learned_envs.rules.tracing.contact import possible_pairs
from learned_envs.rules.tracing.trace import trace_rules

TOUCHES = {
    "Loops": {"floor.foot", "ball.wall", "floor.trunk"},
    "Names": {"floor.trunk", "floor.thigh", "floor.shin", "ball.foot"},
    "Arrays": {"floor.foot", "ball.floor"},
}


@pytest.mark.parametrize("name", TOUCHES)
def test_whether_geoms_touch_is_an_input(name):
    found = retold(getattr(touching_robots, name)(), steps=300)
    inputs = {x for x in found.trace.step.inputs if ".touch." in x}
    assert inputs == {f"after.touch.{pair}" for pair in TOUCHES[name]}
    # Actions are float32 in the environment; nothing here is computed from them.
    assert max(found.errors[each] for each in ("observation", "reward", "terminated")) <= 1e-12
    if name != "Arrays":
        assert found.terminated > 1


def test_pairs_that_never_touch_can_be_left_out():
    env = touching_robots.Names()
    env.reset(seed=0)
    ids = {env.model.geom(name).id for name in ("floor", "trunk")}
    pairs = [pair for pair in possible_pairs(env.model) if set(pair) == ids]
    trace = trace_rules(env, touching=pairs)
    assert [x for x in trace.step.inputs if "touch" in x] == ["after.touch.floor.trunk"]


@pytest.mark.parametrize(
    "name, what",
    {
        "Counts": "the number or the order of contacts",
        "Depth": "dist of a contact",
        "Forces": "mj_contactForce",
        "Before": "contacts of the step before",
        "Many": "expected at most 6",
    }.items(),
)
def test_what_else_of_contacts_is_refused(name, what):
    env = getattr(touching_robots, name)()
    env.reset(seed=0)
    with pytest.raises(UntraceableRulesError, match=what):
        trace_rules(env)


@pytest.mark.parametrize("name", ["humanoid", "ant", "pusher", "walker2d_v5"])
def test_possible_pairs_are_those_of_mujoco(name):
    from pathlib import Path

    import gymnasium

    folder = Path(gymnasium.__file__).parent / "envs/mujoco/assets"
    model = mujoco.MjModel.from_xml_path(str(folder / f"{name}.xml"))
    data = mujoco.MjData(model)
    pairs = set(possible_pairs(model))
    rng = np.random.default_rng(0)
    # Everything lies within everything, so that whatever may touch does.
    model.geom_margin[:] = 100.0
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_MIDPHASE
    seen = set()
    for _ in range(20):
        data.qpos[:] = rng.normal(size=model.nq)
        mujoco.mj_normalizeQuat(model, data.qpos)
        mujoco.mj_forward(model, data)
        seen |= {tuple(map(int, pair)) for pair in data.contact.geom}
    assert seen <= pairs
    assert len(seen) >= 0.5 * len(pairs)
