"""Many learned environments at once keep the contract of one."""

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from hoppers import MODES, Make, actions, assert_same

from learned_envs.errors import ActionError, ParameterError, ShapeError
from learned_envs.state import State


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


def test_seeds_determine_the_batch(make: Make) -> None:
    envs = make(3)
    first = envs.reset(seed=[1, 2, 3])[0]
    np.testing.assert_array_equal(envs.reset(seed=[1, 2, 3])[0], first)
    assert not np.allclose(envs.reset(seed=[1, 2, 4])[0], first)
    assert not np.allclose(envs.reset(seed=[None, None, None])[0], first)
    np.testing.assert_array_equal(envs.reset(seed=5)[0], make(3).reset(seed=5)[0])
    with pytest.raises(ShapeError, match="expected one seed, or 3 of them"):
        envs.reset(seed=[1, 2])


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


def test_process_noise_is_a_share_of_what_a_step_changed(make: Make) -> None:
    share, count = 0.25, 1000
    quiet = make(count)
    noisy, again = (make(count, process_noise=share) for _ in range(2))
    for envs in (quiet, noisy, again):
        envs.reset(seed=0)
    start = quiet.state.v
    seen = [envs.step(actions(count))[0] for envs in (quiet, noisy, again)]
    # What is seen is what the model predicts; the noise comes after it.
    np.testing.assert_array_equal(seen[0], seen[1])
    torch.testing.assert_close(noisy.state.q, quiet.state.q, rtol=0, atol=0)
    torch.testing.assert_close(noisy.state.v, again.state.v, rtol=0, atol=0)
    drawn = (noisy.state.v - quiet.state.v) / (share * (quiet.state.v - start))
    # 6,000 normal numbers: five standard errors of the mean and of the deviation.
    assert abs(drawn.mean()) < 5 / 6000**0.5
    assert abs(drawn.std() - 1) < 5 / 12000**0.5
    after = [envs.step(actions(count))[0] for envs in (noisy, again)]
    np.testing.assert_array_equal(*after)


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


def starting(q: Any, v: Any, memory: Any = None) -> dict[str, Any]:
    return {"starts": State(q, v, memory or {}), "start_fraction": 0.5}


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"start_fraction": 0.5}, ParameterError),
        ({"start_fraction": 1.5}, ParameterError),
        ({"starts": np.zeros((2, 12)), "start_fraction": 0.5}, ParameterError),
        ({"starts": State(torch.zeros(2, 6), torch.zeros(2, 6))}, ParameterError),
        (starting(torch.zeros(2, 5), torch.zeros(2, 6)), ShapeError),
        (starting(torch.zeros(2, 6), torch.zeros(3, 6)), ShapeError),
        (starting(torch.zeros(0, 6), torch.zeros(0, 6)), ShapeError),
        (starting(torch.tensor(1.0), torch.zeros(0, 6)), ShapeError),
        (starting(torch.full((2, 6), torch.nan), torch.zeros(2, 6)), ParameterError),
        (starting(None, torch.zeros(2, 6)), ShapeError),
        (
            starting(torch.zeros(2, 6), torch.zeros(2, 6), {"momentum": torch.zeros(2, 1)}),
            ParameterError,
        ),
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
