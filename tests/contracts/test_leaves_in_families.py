"""What every model family promises of the leaves of a state."""

import pytest
import torch
from families import LEAVES, of_systems

from learned_envs.dynamics import Ensemble
from learned_envs.errors import ParameterError
from learned_envs.systems.sensor import Sensor

pytestmark = pytest.mark.usefixtures("seeded")


@of_systems(lambda system: system == LEAVES)
def test_a_step_depends_on_the_leaves_that_are_seen_and_on_no_others(config, data):
    spec, state, action, following = data
    model = config.build(spec)
    model.normalise(state, action, following)
    here = model.step(state, action).state
    for leaf in spec.leaves:
        other = state.remember(**{leaf.name: state.memory[leaf.name].flip(0)})
        there = model.step(other, action).state
        assert torch.equal(here.v, there.v) is not leaf.seen, leaf.name


@of_systems(lambda system: system == LEAVES)
@pytest.mark.parametrize("count", [5, 100])
@pytest.mark.parametrize("mean", [False, True], ids=["member", "mean"])
def test_leaves_are_handed_on_to_the_last_bit(config, data, count, mean):
    spec, state, action, following = data
    model = Ensemble(config, spec, 3, [Sensor("one")])
    model.normalise(state, action, following)
    state = model.begin(state[:count], mean=mean)
    for disagreement in (False, True):
        memory = model.step(state, action[:count], disagreement).state.memory
        for leaf in spec.leaves:
            assert torch.equal(memory[leaf.name], state.memory[leaf.name])


@of_systems(lambda system: system == LEAVES)
def test_a_state_without_its_leaves_is_refused_by_name(config, data):
    spec, state, action, _ = data
    for model in (config.build(spec), Ensemble(config, spec, 2)):
        with pytest.raises(ParameterError, match=r"without act \(\*batch, 1\), which.*remember"):
            model.step(state.forget("act"), action)
