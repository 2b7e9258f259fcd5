"""Training takes leaves of the state from the data, but for those that a model computes itself."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from learned_envs.data.trajectories import Trajectories
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.second_order import SecondOrder, SecondOrderDynamics
from learned_envs.errors import DatasetError
from learned_envs.fit.loss import RolloutLoss
from learned_envs.systems.spec import Leaf


@dataclass(frozen=True)
class Watched(SecondOrder):
    computes: tuple[str, ...] = ()

    def build(self, spec, members=None):
        return WatchedDynamics(self, spec, members)


class WatchedDynamics(SecondOrderDynamics):
    def __init__(self, config, spec, members):
        super().__init__(config, spec, members)
        self.computes, self.met = config.computes, []

    def step(self, state, action, disagreement=False):
        self.met.append(state.memory["act"])
        ahead = super().step(state, action)
        if not self.computes:
            return ahead
        after = ahead.state.remember(act=state.memory["act"] + 1.0)
        return replace(ahead, state=after)


@pytest.fixture
def slow(pendulum_data):
    """A recording with an activation, and its system."""
    recording, spec = pendulum_data.load(), replace(pendulum_data.spec, leaves=(Leaf("act", 1),))
    act = np.random.default_rng(0).normal(size=(len(recording.qpos), 1))
    return replace(recording, columns={"act": act}), spec


@pytest.mark.parametrize("computes", [(), ("act",)], ids=["told", "computed"])
def test_a_step_of_training_sees_what_was_recorded_or_computed(slow, computes):
    recording, spec = slow
    data = Trajectories.of(recording, spec)
    model = Ensemble(Watched(hidden=(8,), computes=computes), spec, 2)
    assert model.computes == computes
    rows = data.draw((2, 16), 3, torch.Generator().manual_seed(0))
    window = data.window(rows, 3)
    flat = data.window(rows.flatten(), 1)
    loss = RolloutLoss(model, flat.start, flat.after(1), first_step=0.0)
    loss(window)
    first = window.start.memory["act"]
    for step, met in enumerate(model.model.met):
        expected = first + step if computes else window.after(step).memory["act"]
        # float32 rounding of a sum of small whole numbers and one that is not
        assert torch.allclose(met, expected, rtol=0, atol=1e-6)
    recorded = torch.tensor(recording.columns["act"]).float()
    assert torch.equal(window.after(2).memory["act"], recorded[rows + 2])


def test_data_without_a_leaf_is_refused_by_name(slow):
    recording, spec = slow
    with pytest.raises(DatasetError, match=r"without 'act', which belongs to the state"):
        Trajectories.of(replace(recording, columns={}), spec)
