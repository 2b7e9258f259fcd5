"""Tensors in and out: what numpy says, and nothing that is shared."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from hoppers import MODES, Make, actions


@pytest.mark.parametrize("mode", MODES)
def test_tensors_are_what_numpy_says(make: Make, mode: AutoresetMode) -> None:
    arrays, tensors = (
        make(4, autoreset_mode=mode, max_episode_steps=6, tensors=flag) for flag in (False, True)
    )

    def compare(ours: Any, theirs: Any) -> None:
        if isinstance(theirs, dict):
            for name, value in theirs.items():
                compare(ours[name], value)
        elif theirs.dtype == object:
            for mine, other in zip(ours, theirs, strict=True):
                assert other is None or np.array_equal(mine.numpy(), other)
        else:
            assert isinstance(ours, torch.Tensor)
            assert ours.dtype == (torch.bool if theirs.dtype == bool else torch.float32)
            np.testing.assert_array_equal(ours.numpy(), theirs)

    compare(tensors.reset(seed=0)[0], arrays.reset(seed=0)[0])
    for action in actions(25, 4):
        theirs = arrays.step(action)
        for one, other in zip(tensors.step(torch.from_numpy(action)), theirs, strict=True):
            compare(one, other)
        ended = theirs[2] | theirs[3]
        if mode is AutoresetMode.DISABLED and ended.any():
            arrays.reset(options={"reset_mask": ended})
            tensors.reset(options={"reset_mask": torch.from_numpy(ended)})


@pytest.mark.parametrize("tensors", [False, True])
def test_nothing_handed_out_is_shared_with_the_environments(make: Make, tensors: bool) -> None:
    envs, twin = (make(3, tensors=tensors, autoreset_mode="SameStep") for _ in range(2))

    def spoil(value: Any) -> None:
        if isinstance(value, dict):
            for entry in value.values():
                spoil(entry)
        elif value.dtype != object:
            value[:] = 7

    for part in envs.reset(seed=0):
        spoil(part)
    twin.reset(seed=0)
    for action in actions(30, 3):
        spoiled, clean = envs.step(action), twin.step(action)
        assert (np.asarray(spoiled[0]) == np.asarray(clean[0])).all()
        for part in spoiled:
            spoil(part)
    mask = np.array([True, False, False])
    seen = [env.reset(seed=1, options={"reset_mask": mask})[0] for env in (envs, twin)]
    assert (np.asarray(seen[0]) == np.asarray(seen[1])).all()


def test_the_spaces_say_what_is_handed_out(make: Make) -> None:
    for tensors, kind in ((False, np.float64), (True, np.float32)):
        envs = make(2, tensors=tensors)
        for space in (envs.observation_space, envs.single_observation_space):
            assert space.dtype == kind
        observation = envs.reset(seed=0)[0]
        assert np.asarray(observation) in envs.observation_space
