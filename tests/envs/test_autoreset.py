"""When episodes of a vector begin anew: as in SyncVectorEnv, and in no other."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics
from hoppers import MODES, Make, actions, assert_same

from learned_envs.errors import ParameterError, ResetNeededError


def test_one_environment_is_the_single_one(make: Make, make_sync: Make) -> None:
    envs = make(1, max_episode_steps=9)
    twin = make_sync(1, AutoresetMode.NEXT_STEP, max_episode_steps=9)
    for seed in (7, [7]):
        for ours, theirs in zip(envs.reset(seed=seed), twin.reset(seed=seed), strict=True):
            assert_same(ours, theirs)
        for action in actions(60, 1):
            for ours, theirs in zip(envs.step(action), twin.step(action), strict=True):
                assert_same(ours, theirs)


@pytest.mark.parametrize("mode", MODES)
def test_autoreset_follows_the_sync_vector_env(
    make: Make, make_sync: Make, mode: AutoresetMode
) -> None:
    # With neither noise nor members, episodes depend on the actions alone.
    # The narrow range ends some of them by a fall before the limit does.
    options = {
        "reset_noise_scale": 0.0,
        "ensemble": "mean",
        "healthy_state_range": (-0.7, 0.7),
        "max_episode_steps": 6,
    }
    envs, twin = make(5, autoreset_mode=mode, **options), make_sync(5, mode, **options)
    assert envs.metadata["autoreset_mode"] is mode
    for ours, theirs in zip(envs.reset(seed=0), twin.reset(seed=0), strict=True):
        assert_same(ours, theirs)
    ends = []
    for action in actions(60, 5):
        ours, theirs = envs.step(action), twin.step(action)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
        ended = ours[2] | ours[3]
        ends.append(np.stack((ours[2], ours[3])))
        if mode is AutoresetMode.DISABLED and ended.any():
            again = envs.reset(options={"reset_mask": ended})
            for one, other in zip(
                again, twin.reset(options={"reset_mask": ended.copy()}), strict=True
            ):
                assert_same(one, other)
    terminated, truncated = np.stack(ends).any((0, 2))
    assert terminated
    assert truncated
    ended = np.stack(ends).any(1)
    assert (ended.any(-1) & ~ended.all(-1)).any(), "episodes never ended at different times"


def test_a_mode_may_be_given_by_its_value(make: Make) -> None:
    assert make(2, autoreset_mode="SameStep").metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    with pytest.raises(ParameterError, match="'NextStep', 'SameStep', 'Disabled'"):
        make(2, autoreset_mode="Sometimes")


def test_resets_leave_the_others_untouched(make: Make) -> None:
    envs, twin = (make(4, autoreset_mode="Disabled") for _ in range(2))
    kept, _ = envs.reset(seed=0)
    twin.reset(seed=0)
    mask = np.array([True, False, True, False])
    for step, action in enumerate(actions(8, 4) * 0.1):
        if step % 3 == 2:
            before = envs.state
            observation, infos = envs.reset(options={"reset_mask": mask})
            np.testing.assert_array_equal(infos["_x_position"], mask)
            assert torch.equal(envs.state.q[~mask], before.q[~mask])
            np.testing.assert_array_equal(observation[~mask], kept[~mask])
            assert not np.allclose(observation[mask], kept[mask])
        kept = envs.step(action)[0]
        np.testing.assert_allclose(kept[~mask], twin.step(action)[0][~mask], atol=1e-5)


def test_the_mask_of_a_reset_is_checked_and_left_alone(make: Make) -> None:
    envs = make(3)
    options = {"reset_mask": np.array([True, False, False])}
    with pytest.raises(ResetNeededError):
        envs.reset(options=options)
    envs.reset(seed=0)
    envs.reset(options=options)
    assert "reset_mask" in options
    for mask, error in (
        ([True, False, False], TypeError),
        (np.array([1, 0, 0]), TypeError),
        (np.array([True, False]), ValueError),
        (np.zeros(3, dtype=bool), ValueError),
    ):
        with pytest.raises(error, match="expected"):
            envs.reset(options={"reset_mask": mask})


def test_the_time_limit_is_the_references(make: Make) -> None:
    assert make(2).spec.max_episode_steps == gym.spec("Hopper-v5").max_episode_steps
    envs = make(2, max_episode_steps=3, terminate_when_unhealthy=False)
    envs.reset(seed=0)
    truncated = [envs.step(action)[3].tolist() for action in actions(9, 2) * 0.1]
    none, both = [False, False], [True, True]
    assert truncated == [none, none, both, none, none, none, both, none, none]
    assert make(2, max_episode_steps=-1).reset()[0] is not None


def lengths_of_episodes(envs: Any, mode: AutoresetMode) -> list[int]:
    counted = RecordEpisodeStatistics(envs)
    counted.reset(seed=0)
    lengths = []
    for action in actions(20, 3) * 0.1:
        *_, truncated, infos = counted.step(action)
        lengths += infos["episode"]["l"][infos["_episode"]].tolist() if "episode" in infos else []
        if mode is AutoresetMode.DISABLED and truncated.any():
            counted.reset(options={"reset_mask": truncated})
    return lengths


@pytest.mark.parametrize("mode", MODES)
def test_gymnasiums_own_wrappers_work(make: Make, make_sync: Make, mode: AutoresetMode) -> None:
    options = {"max_episode_steps": 4, "terminate_when_unhealthy": False, "max_disagreement": None}
    lengths = lengths_of_episodes(make(3, autoreset_mode=mode, **options), mode)
    assert len(lengths) >= 9
    # Not every version of Gymnasium counts right where episodes begin in the same step.
    assert lengths == lengths_of_episodes(make_sync(3, mode, **options), mode)
    listed = DictInfoToList(make(3, autoreset_mode=mode, **options))
    listed.reset(seed=0)
    *_, infos = listed.step(actions(3))
    assert [len(info) > 0 for info in infos] == [True] * 3


def test_a_step_past_the_end_is_refused_where_nothing_resets(make: Make) -> None:
    envs = make(2, autoreset_mode="Disabled", max_episode_steps=1)
    with pytest.raises(ResetNeededError):
        envs.step(actions(2))
    envs.reset(seed=0)
    envs.step(actions(2))
    with pytest.raises(ResetNeededError, match="reset_mask"):
        envs.step(actions(2))
