"""What cannot be traced of a user's environment is learned or hosted, and its card says so."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from partial_legs import PARTIAL
from small import SMALL
from users import users_module

from learned_envs.card import read_card
from learned_envs.cli import main
from learned_envs.errors import ParameterError

MODULE = "my_partial_legs"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """`fitted(name)`: what the command leaves of an environment."""
    runs: dict[str, Path] = {}
    with users_module(tmp_path_factory.mktemp("users"), MODULE, PARTIAL):

        def fitted(name: str) -> Path:
            if name not in runs:
                out = tmp_path_factory.mktemp("runs") / name
                words = ["fit", f"{MODULE}:{name}-v0", "--out", str(out), *SMALL]
                assert main(words) == 0
                runs[name] = out
            return runs[name]

        yield fitted


def test_a_loop_whose_end_depends_on_values(fitted: Callable[[str], Path]) -> None:
    card = read_card(fitted("HalvingLeg"))
    assert card.rules is not None
    how = card.rules.how()
    assert how["reward"] == ("learned",)
    assert how["terminated"] == ("learned",)
    assert {"step.reward", "step.terminated"} <= {sensor.name for sensor in card.sensors}
    assert card.rules.learned.keys() == {"after.step.reward", "after.step.terminated"}
    for error in card.rules.learned.values():
        # In units of the variance: no worse than a mean, by far, of so short a training.
        assert error is not None
        assert 0 <= error < 10
    (note,) = (note for note in card.rules.notes if "are learned" in note)
    assert "reward, terminated of a step are learned" in note
    # It names the line.
    assert f"{MODULE}.py" in note
    assert "while height" in note


def test_what_is_learned_is_stepped(fitted: Callable[[str], Path], tmp_path: Path) -> None:
    run = fitted("HalvingLeg")
    env = gym.make("LearnedSim-v0", checkpoint=run, max_disagreement=None)
    env.reset(seed=0)
    for _ in range(5):
        _, reward, terminated, _, _ = env.step(env.action_space.sample())
        assert np.isfinite(reward)
        assert isinstance(terminated, bool)
        if terminated:
            env.reset()
    envs = gym.make_vec("LearnedSim-v0", num_envs=8, checkpoint=run)
    envs.reset(seed=0)
    assert np.isfinite(envs.step(envs.action_space.sample())[1]).all()


def test_a_method_of_native_code(fitted: Callable[[str], Path]) -> None:
    card = read_card(fitted("NativeLeg"))
    assert card.rules is not None
    assert "after.call.contact_cost" in card.rules.step.inputs
    assert card.rules.learned["after.call.contact_cost"] is not None
    how = card.rules.how()
    assert (how["reward"], how["terminated"]) == (("learned",), ("exact",))
    assert set(how["observation"]) == {"exact"}
    assert any(note.startswith("contact_cost() is learned: ") for note in card.rules.notes)
    env = gym.make("LearnedSim-v0", checkpoint=fitted("NativeLeg"))
    seen, info = env.reset(seed=0)
    assert seen.shape == (9,)
    assert info["foot"].shape == (3,)
    assert np.isfinite(env.step(env.action_space.sample())[1])


def test_an_observation_that_cannot_be_traced(
    fitted: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = fitted("WrittenLeg")
    told = capsys.readouterr()
    assert 'rules="hosted")' in told.out
    card = read_card(run)
    assert card.rules is None
    assert card.reference is not None
    assert card.notes is not None
    assert any("observation by" in note for note in card.notes)
    # What the rules would have needed is recorded all the same.
    assert {"env.goal", "env.last_action"} == {leaf.name for leaf in card.spec.leaves}
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ParameterError, match=r"WrittenLeg-v0 could not .* rules='hosted'"):
            make("LearnedSim-v0", checkpoint=run)
    env: Any = gym.make("LearnedSim-v0", checkpoint=run, rules="hosted")
    real = gym.make("WrittenLeg-v0")
    np.testing.assert_array_equal(env.reset(seed=0)[0], real.reset(seed=0)[0])
    for _ in range(5):
        seen, reward, terminated, truncated, info = env.step(env.action_space.sample())
        np.testing.assert_allclose(seen[:3], np.round(env.unwrapped.data.qpos, 3), atol=1e-6)
        assert np.isfinite(reward)
        if terminated or truncated:
            break
    assert {"diverged", "foot"} <= info.keys()
    assert main(["info", str(run)]) == 0
    assert "rules='hosted'" in capsys.readouterr().out
    envs = gym.make_vec("LearnedSim-v0", num_envs=1, checkpoint=run, rules="hosted")
    assert envs.reset(seed=0)[0].shape == (1, 9)
