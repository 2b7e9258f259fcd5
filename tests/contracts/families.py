"""The systems that model families are tested with, and made-up motion of them."""

from contextlib import closing
from dataclasses import replace
from functools import cache

import gymnasium as gym
import pytest
import torch

from learned_envs.kinematics import Kinematics
from learned_envs.registry import FAMILIES
from learned_envs.state import State
from learned_envs.systems.reference import describe
from learned_envs.systems.spec import Leaf

FREE = "Ant-v5"
"""A system whose body is joined to nothing: the orientation in q is a quaternion."""

LEAVES = "InvertedPendulum-v5 with leaves"
"""A system whose motor has an activation, and a mass that is drawn anew for every episode."""

SYSTEMS = ["Hopper-v5", "InvertedPendulum-v5", FREE, LEAVES]

CASES = [
    pytest.param((family, system), id=f"{family}-{system}")
    for family in FAMILIES
    for system in SYSTEMS
]


@cache
def spec_of(system):
    if system == LEAVES:
        leaves = (
            Leaf("act", 1),
            Leaf("model.body_mass[2]", 1, (), frozen=True),
            Leaf("env._steps", 1, (), seen=False),
        )
        return replace(spec_of("InvertedPendulum-v5"), leaves=leaves)
    with closing(gym.make(system)) as env:
        return describe(env)


def transitions(spec, n, seed=0):
    """Draw states near the start, and next states that a smooth made-up motion leads to."""
    g = torch.Generator().manual_seed(seed)
    kinematics = Kinematics(spec)
    q = torch.tensor(spec.q0) + 0.1 * torch.randn(n, spec.nq, generator=g)
    # Nothing moves, but what stands for an orientation becomes one.
    q = kinematics.advance(q, torch.zeros(n, spec.nv))
    v = torch.randn(n, spec.nv, generator=g)
    action = 2 * torch.rand(n, spec.nu, generator=g) - 1
    pull = 5 * q[:, -spec.nv :].sin() - action.sum(-1, keepdim=True)
    memory = {leaf.name: torch.randn(n, leaf.size, generator=g) for leaf in spec.leaves}
    pull = pull - sum(memory[leaf.name].sum(-1, keepdim=True) for leaf in spec.leaves if leaf.seen)
    v_next = v - spec.dt * (3 * v + pull)
    q_next = kinematics.advance(q, spec.dt * (v + v_next) / 2)
    return State(q, v, memory), action, State(q_next, v_next, memory)


def of_systems(chosen):
    """Limit a test to some of the systems."""
    cases = [param for param in CASES if chosen(param.values[0][1])]
    return pytest.mark.parametrize("case", cases, indirect=True)
