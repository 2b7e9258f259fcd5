"""Whatever is passed in is used or is refused by an error of ours, which says what was expected."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hoppers import Make

from learned_envs import Simulation, registry
from learned_envs.card import read_card
from learned_envs.envs import FunctionalEnv
from learned_envs.envs.options import EnvOptions
from learned_envs.errors import (
    ArgumentTypeError,
    LearnedEnvsError,
    ParameterError,
    ShapeError,
)
from learned_envs.state import State
from learned_envs.tasks.task import Task

NAN, HUGE = float("nan"), 10**400
NO_NUMBERS = [None, True, np.True_, "1", "", NAN, HUGE, [1.0], {}, object(), 1j, torch.ones(1)]
NO_COUNTS = [*NO_NUMBERS, 1.5, 2.0, 0, -1, float("inf"), np.float64(2)]
NO_FLAGS = [None, 0, 1, "yes", [], np.array([True, False])]
NO_RANGES = [*NO_NUMBERS, 5, [1], (1, 2, 3), (2.0, 1.0), (1, 1), (NAN, 1), ("0", "1"), [[1], [2]]]


def create(task: str, **parameters: Any) -> Task:
    return registry.task_class(task).create(read_card(task).spec, parameters)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("healthy_reward", [*NO_NUMBERS, float("inf")]),
        ("reset_noise_scale", [*NO_NUMBERS, -0.1, 1e39]),
        ("terminate_when_unhealthy", NO_FLAGS),
        ("healthy_z_range", NO_RANGES),
    ],
)
def test_a_parameter_of_the_reference_is_of_the_kind_of_its_default(name: str, values: Any) -> None:
    for value in values:
        with pytest.raises(ParameterError, match=f"Got {name}=.*expected"):
            create("Hopper", **{name: value})


def test_numbers_of_numpy_are_numbers() -> None:
    task: Any = create(
        "Hopper",
        healthy_z_range=np.array([0.5, np.inf]),
        healthy_reward=np.float32(2),
        forward_reward_weight=3,
        terminate_when_unhealthy=np.False_,
    )
    assert task.healthy_z_range == (0.5, float("inf"))
    assert [task.healthy_reward, task.forward_reward_weight] == [2.0, 3.0]
    assert task.terminate_when_unhealthy is False
    assert create("Reacher", reward_dist_weight=0.5).parameters["reward_dist_weight"] == 0.5


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("checkpoint", [5, True, ["Hopper"], b"Hopper"]),
        ("compile", ["yes", 2, [1], np.array([1.0, 2.0])]),
        ("ensemble", [None, 1, "median", ["mean"]]),
        ("precision", [None, "float16", torch.bfloat16]),
        ("max_disagreement", [True, "never", 0, -1.0, NAN, [1.0]]),
        ("disagreement_penalty", [*NO_NUMBERS, -1.0, float("inf")]),
        ("process_noise", [*NO_NUMBERS, -0.1, float("inf")]),
        ("disagreement_in_info", NO_FLAGS),
        ("max_episode_steps", [*[x for x in NO_COUNTS if x not in (None, -1)], -2, 2**63]),
        ("autoreset_mode", [None, 1, "Sometimes", ["NextStep"]]),
        ("start_fraction", [x for x in [*NO_NUMBERS, -0.1, 1.1] if x is not None]),
    ],
)
def test_an_option_is_checked_before_anything_is_loaded(name: str, values: Any) -> None:
    for value in values:
        with pytest.raises(ParameterError, match=f"Got {name}=.*expected"):
            EnvOptions(**{name: value})


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "meta", 7, 1.5, True, [], torch.ones(1)])
def test_a_device_that_is_not_here_is_an_error_of_ours(make: Make, device: Any) -> None:
    with pytest.raises(LearnedEnvsError, match="Use device='cpu'"):
        make(1, device=device)


def test_how_many_environments_is_a_whole_number(make: Make, checkpoint: Any) -> None:
    path = checkpoint("Hopper")
    for count in [*NO_COUNTS, 2**31]:
        for build in (make, lambda n: FunctionalEnv("Hopper", n, checkpoint=path)):
            with pytest.raises(ParameterError, match=r"num_envs=.*expected a whole number"):
                build(count)
    assert make(np.int64(2)).num_envs == 2
    with pytest.raises(ParameterError, match="tensors"):
        make(1, tensors="yes")


@pytest.mark.parametrize(
    "picture",
    [
        {"width": 0},
        {"height": 1.5},
        {"max_geom": "many"},
        {"camera_id": -2},
        {"camera_name": 3},
        {"default_camera_config": [1]},
        {"visual_options": 7},
        {"camera_id": 0, "camera_name": "track"},
    ],
)
def test_what_pictures_depend_on_is_checked_before_the_first(make: Make, picture: Any) -> None:
    with pytest.raises(ParameterError, match="expected"):
        make(1, **picture)


@pytest.mark.parametrize("seed", [-1, 1.5, np.float64(1), True, "1", [1], {}, torch.ones(1)])
def test_a_seed_is_a_whole_number(
    make: Make, make_single: Make, seed: Any, checkpoint: Any
) -> None:
    functional = FunctionalEnv("Hopper", checkpoint=checkpoint("Hopper"))
    for begin in (make_single().reset, make(2).reset, functional.init):
        with pytest.raises(LearnedEnvsError, match=r"seed=.*expected"):
            begin(seed=seed)
    with pytest.raises(LearnedEnvsError, match=r"seed=.*expected"):
        make(2).reset(seed=[1, seed])


def test_seeds_of_numpy_and_large_ones_are_seeds(make: Make, make_single: Make) -> None:
    for build in (make_single, lambda: make(2)):
        one, other = build(), build()
        np.testing.assert_array_equal(one.reset(seed=7)[0], other.reset(seed=np.uint8(7))[0])
        np.testing.assert_array_equal(one.reset(seed=2**80)[0], other.reset(seed=2**80)[0])
    seeds = np.array([3, 4])
    np.testing.assert_array_equal(make(2).reset(seed=seeds)[0], make(2).reset(seed=[3, 4])[0])


def test_options_of_a_reset_are_a_dictionary(make: Make, make_single: Make) -> None:
    for env in (make_single(), make(2)):
        for options in ([], "all", 5):
            with pytest.raises(ArgumentTypeError, match="dictionary"):
                env.reset(options=options)
        env.reset(options={})


def test_a_functional_environment_knows_its_own_states(checkpoint: Callable[..., Path]) -> None:
    env, fewer = (FunctionalEnv("Hopper", n, checkpoint=checkpoint("Hopper")) for n in (3, 2))
    mask = torch.ones(3, dtype=torch.bool)
    for strange in (None, State(torch.zeros(3, 6), torch.zeros(3, 6)), torch.zeros(3, 6)):
        for use in (
            lambda s: env.step(s, torch.zeros(3, 3)),
            lambda s: env.reset(s, mask),
        ):
            with pytest.raises(ArgumentTypeError, match="init, step or reset"):
                use(strange)
    with pytest.raises(ShapeError, match=r"\(2, 6\), expected \(3, 6\)"):
        env.step(fewer.init(0), torch.zeros(3, 3))


@pytest.mark.parametrize(
    "asked",
    [{"disagreement_penalty": 0.1}, {"max_disagreement": 1.0}, {"disagreement_in_info": True}],
)
def test_one_model_alone_is_not_asked_for_disagreement(
    make: Make, make_single: Make, lone_checkpoint: Path, asked: dict[str, Any]
) -> None:
    for build in (make_single, lambda **kwargs: make(2, **kwargs)):
        with pytest.raises(ParameterError, match=f"{next(iter(asked))}.*one member.*--members"):
            build(checkpoint=lone_checkpoint, **asked)


@pytest.mark.parametrize("ensemble", ["member", "mean"])
def test_one_model_alone_never_disagrees(
    make: Make, make_single: Make, lone_checkpoint: Path, ensemble: str
) -> None:
    options: dict[str, Any] = {"checkpoint": lone_checkpoint, "ensemble": ensemble}
    for env, shape in ((make_single(**options), (3,)), (make(2, **options), (2, 3))):
        env.reset(seed=0)
        info = env.step(np.zeros(shape))[4]
        assert "disagreement" not in info
        assert not np.any(info["out_of_support"])
    simulation = Simulation.load(lone_checkpoint)
    state = simulation.reset(2)
    with pytest.raises(ParameterError, match="one member"):
        simulation.step(state, torch.zeros(2, 3), disagreement=True)
    assert simulation.step(state, torch.zeros(2, 3)).disagreement is None


@pytest.mark.parametrize("mode", [5, True, ["human"], np.array([1, 2])])
def test_a_render_mode_is_one_of_the_references(make: Make, mode: Any) -> None:
    with pytest.raises(ParameterError, match="rgb_array"):
        make(1, render_mode=mode)
