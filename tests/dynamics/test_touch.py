"""What networks see of shapes that may meet: nothing of what is far, and the same all around."""

import math
from dataclasses import replace

import gymnasium as gym
import torch

from learned_envs.dynamics.feature import Features
from learned_envs.dynamics.frame import Frames
from learned_envs.dynamics.touch import Touch
from learned_envs.kinematics import Kinematics
from learned_envs.kinematics.rotation import quaternion_product
from learned_envs.systems.geom import Pair
from learned_envs.systems.reference import describe
from learned_envs.systems.spec import SystemSpec


def humanoid() -> SystemSpec:
    env = gym.make("Humanoid-v5")
    names = [geom.name for geom in describe(env).geoms]
    feet, hands = ("right_foot", "left_foot"), ("right_hand", "left_hand")
    pairs = tuple(Pair(*map(names.index, pair)) for pair in (feet, hands))
    return replace(describe(env), pairs=pairs)


def test_what_is_far_is_zero_and_what_touches_is_not():
    spec = humanoid()
    kinematics, frames = Kinematics(spec), Frames(spec)
    touch = Touch(kinematics, frames)
    q, v = torch.tensor(spec.q0), torch.ones(spec.nv)
    distance, _, _, velocity = kinematics.pairs(q, v)
    seen = touch(q, v, frames(q))
    assert seen.shape == (20,)
    # The hands are far apart, where tanh(10 d) is 1 but for 2 exp(-20 d). In a step they come
    # nearer by less than 0.05 m.
    assert distance[1] > 0.25
    least = 2 * math.exp(-20 * (float(distance[1]) - 0.05)) * max(1.0, float(velocity[1].norm()))
    for part in (seen[1:2], seen[3:4], seen[5:6], seen[7:8], seen[11:14], seen[17:20]):
        assert part.abs().max() < least
    # The feet are as near as their model stands: nearness is 1 - tanh(d / 0.1).
    assert distance[0] < 0.2
    assert seen[4].item() > 0.01
    assert seen[8:11].norm().item() > 0.01


def test_a_turned_robot_sees_the_same():
    spec = humanoid()
    features = Features(spec, Kinematics(spec), True)
    q, v = torch.tensor(spec.q0), torch.randn(spec.nv, generator=torch.Generator().manual_seed(0))
    half = 0.7
    turn = torch.tensor([math.cos(half), 0.0, 0.0, math.sin(half)])
    turned, moving = q.clone(), v.clone()
    turned[3:7] = quaternion_product(turn, q[3:7])
    spin = torch.tensor(
        [
            [math.cos(2 * half), -math.sin(2 * half), 0],
            [math.sin(2 * half), math.cos(2 * half), 0],
            [0, 0, 1],
        ]
    )
    moving[:3] = spin @ v[:3]
    given = torch.zeros(spec.nu)
    # Float32 on numbers of a few m/s.
    torch.testing.assert_close(
        features(q, v, given), features(turned, moving, given), rtol=0, atol=2e-5
    )


def test_without_pairs_nothing_changes():
    spec = humanoid()
    with_pairs = Features(spec, Kinematics(spec), True)
    without = Features(replace(spec, pairs=()), Kinematics(replace(spec, pairs=())), True)
    assert without.touch is None
    assert with_pairs.size == without.size + 20
    assert Features(spec, Kinematics(spec), False).touch is None
