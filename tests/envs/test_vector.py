"""Many learned environments at once: one of them is the single one, many follow SyncVectorEnv."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

import learned_envs  # noqa: F401
from learned_envs.errors import ActionError, ParameterError, ResetNeededError, ShapeError
from learned_envs.state import State

Make = Callable[..., Any]

MODES = list(AutoresetMode)


@pytest.fixture
def make(checkpoint: Callable[[str], Path]) -> Make:
    def build(num_envs: int, **kwargs: Any) -> Any:
        kwargs = {"checkpoint": checkpoint("Hopper"), **kwargs}
        return gym.make_vec("LearnedSim-Hopper-v0", num_envs=num_envs, **kwargs)

    return build


@pytest.fixture
def make_sync(checkpoint: Callable[[str], Path]) -> Make:
    def build(num_envs: int, mode: AutoresetMode, **kwargs: Any) -> SyncVectorEnv:
        kwargs = {"checkpoint": checkpoint("Hopper"), **kwargs}
        one = [lambda: gym.make("LearnedSim-Hopper-v0", **kwargs)] * num_envs
        return SyncVectorEnv(one, autoreset_mode=mode)

    return build


def actions(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, 3)).astype(np.float32)


def assert_same(ours: Any, theirs: Any) -> None:
    """Compare infos or arrays.

    Single environments step in numpy, which rounds otherwise than torch: by 1e-5 a step at most,
    which nine steps of an untrained network were seen to make 4e-4.
    """
    if isinstance(theirs, dict):
        assert set(ours) == set(theirs)
        for name in theirs:
            assert_same(ours[name], theirs[name])
    elif theirs.dtype == object:
        assert ours.dtype == object
        assert ours.shape == theirs.shape
        for mine, other in zip(ours, theirs, strict=True):
            assert (mine is None) == (other is None)
            if other is not None:
                assert_same(mine, other)
    else:
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


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


def test_the_metadata_of_one_instance_is_its_own(make: Make) -> None:
    first = make(2, autoreset_mode=AutoresetMode.DISABLED)
    second = make(2)
    assert first.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert second.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert first.metadata["render_fps"] == gym.make("Hopper-v5").metadata["render_fps"]


def test_spaces_are_the_references_in_a_batch(make: Make) -> None:
    envs, reference = make(3), gym.make_vec("Hopper-v5", num_envs=3, vectorization_mode="sync")
    for name in ("action_space", "observation_space"):
        assert getattr(envs, name) == getattr(reference, name)
        assert getattr(envs, f"single_{name}") == getattr(reference, f"single_{name}")
    assert envs.reset()[0] in envs.observation_space


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


def test_seeds_determine_the_batch(make: Make) -> None:
    envs = make(3)
    first = envs.reset(seed=[1, 2, 3])[0]
    np.testing.assert_array_equal(envs.reset(seed=[1, 2, 3])[0], first)
    assert not np.allclose(envs.reset(seed=[1, 2, 4])[0], first)
    assert not np.allclose(envs.reset(seed=[None, None, None])[0], first)
    np.testing.assert_array_equal(envs.reset(seed=5)[0], make(3).reset(seed=5)[0])
    with pytest.raises(ShapeError, match="2 seeds, expected 3"):
        envs.reset(seed=[1, 2])


def test_the_time_limit_is_the_references(make: Make) -> None:
    assert make(2).spec.max_episode_steps == gym.spec("Hopper-v5").max_episode_steps
    envs = make(2, max_episode_steps=3, terminate_when_unhealthy=False)
    envs.reset(seed=0)
    truncated = [envs.step(action)[3].tolist() for action in actions(9, 2) * 0.1]
    none, both = [False, False], [True, True]
    assert truncated == [none, none, both, none, none, none, both, none, none]
    assert make(2, max_episode_steps=-1).reset()[0] is not None


@pytest.mark.parametrize("mode", MODES)
def test_gymnasiums_own_wrappers_work(make: Make, mode: AutoresetMode) -> None:
    envs = make(3, autoreset_mode=mode, max_episode_steps=4, terminate_when_unhealthy=False)
    wrapped = DictInfoToList(RecordEpisodeStatistics(envs))
    wrapped.reset(seed=0)
    lengths = []
    for action in actions(20, 3) * 0.1:
        *_, truncated, infos = wrapped.step(action)
        lengths += [int(info["episode"]["l"]) for info in infos if "episode" in info]
        if mode is AutoresetMode.DISABLED and truncated.any():
            wrapped.reset(options={"reset_mask": truncated})
    assert len(lengths) >= 9
    assert set(lengths) == {4}


def test_a_step_past_the_end_is_refused_where_nothing_resets(make: Make) -> None:
    envs = make(2, autoreset_mode="Disabled", max_episode_steps=1)
    with pytest.raises(ResetNeededError):
        envs.step(actions(2))
    envs.reset(seed=0)
    envs.step(actions(2))
    with pytest.raises(ResetNeededError, match="reset_mask"):
        envs.step(actions(2))


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (np.zeros((3, 3)), ShapeError),
        (np.zeros(3), ShapeError),
        (np.full((2, 3), np.inf), ActionError),
        (np.full((2, 3), "a"), ActionError),
        ([[0, 0, 0], [0, 0]], ActionError),
        (None, ActionError),
    ],
)
def test_bad_actions_change_nothing(make: Make, bad: Any, error: Any) -> None:
    envs, twin = make(2), make(2)
    envs.reset(seed=0)
    twin.reset(seed=0)
    with pytest.raises(error):
        envs.step(bad)
    np.testing.assert_array_equal(envs.step(actions(2))[0], twin.step(actions(2))[0])


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


def test_set_state_moves_the_systems_of_a_mask(make: Make) -> None:
    envs = make(3, autoreset_mode="Disabled")
    envs.reset(seed=0)
    before = envs.state
    q, v = np.full((3, 6), 0.5), np.full((3, 6), 0.25)
    mask = np.array([False, True, False])
    envs.set_state(q, v, mask)
    assert torch.equal(envs.state.q[~mask], before.q[~mask])
    assert (envs.state.q[1] == 0.5).all()
    assert (envs.state.v[1] == 0.25).all()
    assert torch.equal(envs.state.memory["member"], before.memory["member"])
    observation, _ = envs.reset(options={"reset_mask": np.array([True, False, False])})
    np.testing.assert_array_equal(observation[1], [0.5] * 5 + [0.25] * 6)
    envs.set_state(torch.from_numpy(q), torch.from_numpy(v))
    assert (envs.state.q == 0.5).all()
    with pytest.raises(ShapeError):
        envs.set_state(q[:2], v)
    with pytest.raises(ParameterError, match="NaN"):
        envs.set_state(q, v * np.nan)


def test_only_the_diverged_are_truncated(make: Make) -> None:
    envs = make(3, max_disagreement=None)
    envs.reset(seed=0)
    q = envs.state.q.clone()
    q[1] = 3e38
    envs.set_state(q, envs.state.v)
    observation, reward, terminated, truncated, infos = envs.step(actions(3))
    assert truncated.tolist() == infos["diverged"].tolist() == [False, True, False]
    assert not terminated.any()
    assert np.isfinite(observation).all()
    assert np.isfinite(reward).all()
    observation, *_, truncated, infos = envs.step(actions(3))
    assert infos["_diverged"].tolist() == [True, False, True]
    assert not truncated.any()
    assert abs(observation[1, 0] - 1.25) < 0.01


def test_disagreement_past_the_threshold_truncates(make: Make) -> None:
    envs = make(3, max_disagreement=1e-6)
    envs.reset(seed=0)
    _, _, terminated, truncated, infos = envs.step(actions(3))
    assert truncated.all()
    assert infos["out_of_support"].all()
    assert (infos["disagreement"] > 1e-6).all()
    assert not terminated.any()


def test_episodes_begin_from_given_starts(make: Make) -> None:
    heights = torch.tensor([2.0, 3.0])
    starts = State(torch.zeros(2, 6), torch.zeros(2, 6))
    starts.q[:, 1] = heights
    count = 400

    def begun(**kwargs: Any) -> np.ndarray:
        return make(count, starts=starts, **kwargs).reset(seed=0)[0][:, 0]

    assert set(begun(start_fraction=1.0)) == {2.0, 3.0}
    assert (begun(start_fraction=0.0) < 1.3).all()
    # Four standard deviations of a fair coin thrown 400 times are 0.1.
    assert abs((begun(start_fraction=0.5) > 1.5).mean() - 0.5) < 0.1
    envs = make(count, starts=starts, start_fraction=1.0, max_episode_steps=1)
    assert envs.reset(seed=0)[0][:, 0].min() >= 2
    assert set(envs.state.memory["member"].tolist()) == {0, 1, 2}
    envs.step(actions(count))
    assert set(envs.step(actions(count))[0][:, 0]) == {2.0, 3.0}


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"start_fraction": 0.5}, ParameterError),
        ({"start_fraction": 1.5}, ParameterError),
        ({"starts": np.zeros((2, 12)), "start_fraction": 0.5}, ParameterError),
        ({"starts": State(torch.zeros(2, 5), torch.zeros(2, 6))}, ShapeError),
        ({"starts": State(torch.zeros(2, 6), torch.zeros(3, 6))}, ShapeError),
        ({"starts": State(torch.zeros(0, 6), torch.zeros(0, 6))}, ShapeError),
        ({"starts": State(torch.full((2, 6), torch.nan), torch.zeros(2, 6))}, ParameterError),
        ({"wheels": 4}, ParameterError),
    ],
)
def test_options_out_of_range_are_refused(make: Make, kwargs: dict[str, Any], error: Any) -> None:
    with pytest.raises(error, match=r"[Gg]ot|take"):
        make(2, **kwargs)
    with pytest.raises(ParameterError, match="num_envs"):
        make(0)


@pytest.mark.parametrize("mode", MODES[:2])
def test_no_nan_reaches_the_user(make: Make, mode: AutoresetMode) -> None:
    envs = make(128, autoreset_mode=mode, terminate_when_unhealthy=False, max_disagreement=None)
    envs.reset(seed=0)
    diverged = 0
    for action in actions(200, 128) * 3:
        observation, reward, terminated, truncated, infos = envs.step(action)
        assert np.isfinite(observation).all()
        assert np.isfinite(reward).all()
        values = copy.copy(infos)
        values.pop("final_obs", None)
        values |= values.pop("final_info", {})
        assert all(np.isfinite(value).all() for value in values.values())
        assert not terminated.any()
        diverged += truncated.sum()
    # An untrained model leaves its data sooner or later: what is tested here does happen.
    assert diverged > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("mode", MODES)
def test_a_gpu_gives_what_a_cpu_gives(make: Make, mode: AutoresetMode) -> None:
    options = {"reset_noise_scale": 0.0, "ensemble": "mean", "max_episode_steps": 6}
    options["autoreset_mode"] = mode
    cpu, gpu = make(5, **options), make(5, device="cuda", **options)
    tensors = make(5, device="cuda", tensors=True, **options)
    for envs in (cpu, gpu, tensors):
        envs.reset(seed=0)
    for action in actions(6, 5):
        theirs, ours = cpu.step(action), gpu.step(action)
        kept = tensors.step(torch.from_numpy(action).cuda())
        for one, other, tensor in zip(ours[:4], theirs[:4], kept[:4], strict=True):
            assert_same(one, other)
            assert tensor.device.type == "cuda"
            np.testing.assert_allclose(tensor.cpu().numpy(), other, rtol=1e-4, atol=1e-4)
        assert_same(ours[4], theirs[4])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_broken_action_on_a_gpu_ends_its_own_episode(make: Make) -> None:
    envs = make(3, device="cuda", tensors=True, max_disagreement=None)
    envs.reset(seed=0)
    action = torch.zeros(3, 3, device="cuda")
    action[1, 2] = torch.nan
    observation, reward, _, truncated, infos = envs.step(action)
    assert truncated.tolist() == infos["diverged"].tolist() == [False, True, False]
    assert observation.isfinite().all()
    assert reward.isfinite().all()


def test_an_unknown_precision_is_an_error(make: Make) -> None:
    with pytest.raises(ParameterError, match="bfloat16"):
        make(1, precision="float16")
