"""Whatever the settings of a fit are, they are taken, or refused by one error."""

import dataclasses
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learned_envs import registry
from learned_envs.cli import parse
from learned_envs.errors import LearnedEnvsError, ParameterError
from learned_envs.fit import FitConfig, TrainingConfig
from learned_envs.fit.config import FitFile, RoundsConfig
from learned_envs.fit.model import make_family
from learned_envs.schema import unsealed

small = settings(max_examples=100, derandomize=True, database=None, deadline=None)

numbers = st.one_of(st.integers(), st.floats(), st.integers(0, 9), st.floats(0, 1))
values = st.one_of(
    numbers, st.none(), st.booleans(), st.text(max_size=5), st.lists(numbers, max_size=3)
)
FIELDS = {
    **{f.name: TrainingConfig for f in dataclasses.fields(TrainingConfig)},
    **{f.name: RoundsConfig for f in dataclasses.fields(RoundsConfig)},
}


def valid(config):
    """What holds of settings that are taken."""
    training, rounds = config.training, config.rounds
    for own in (training, rounds):
        for field in dataclasses.fields(own):
            value = getattr(own, field.name)
            assert isinstance(value, (int, float, str, tuple, list)), field.name
            if isinstance(value, float):
                assert 0 <= value < 1e31
    assert min(training.updates, training.members, *training.horizons) >= 1
    assert 0 < training.held_out < 1
    assert 0 <= rounds.start_fraction <= 1


@small
@given(name=st.sampled_from(sorted(FIELDS)), value=values)
def test_of_a_training_and_of_rounds(name, value):
    own = FIELDS[name](**{name: value})
    part = "training" if FIELDS[name] is TrainingConfig else "rounds"
    try:
        config = FitConfig(**{part: own})
    except ParameterError as error:
        assert "xpected" in str(error)
    else:
        valid(config)
        again = FitFile.from_json(FitFile("Hopper", config).to_json()).config
        assert msgspec.to_builtins(again) == msgspec.to_builtins(config)


@small
@given(
    family=st.sampled_from(sorted(registry.FAMILIES)),
    name=st.sampled_from(["hidden", "substeps", "activation", "memory", "correctors", "wings"]),
    value=values,
)
def test_of_families(family, name, value):
    try:
        made = make_family(FitConfig(family=family, options={name: value}))
    except ParameterError:
        return
    assert all(1 <= width <= 16_384 for width in made.hidden)


@settings(small, max_examples=30)
@given(
    name=st.sampled_from(["steps", "updates", "learning-rate", "seed", "members", "rounds"]),
    value=numbers,
)
def test_of_the_command_line(name, value):
    try:
        command = parse(["fit", "Hopper", f"--{name}={value}"])
    except (LearnedEnvsError, SystemExit):
        return
    valid(FitConfig(training=command.training, rounds=command.improvement))
    assert command.typed == {name.replace("-", "_")}


@small
@given(data=st.data())
def test_a_stored_file_of_which_a_bit_is_flipped(data):
    text = bytearray(FitFile("Hopper", FitConfig()).to_json())
    place = data.draw(st.integers(0, 8 * len(text) - 1))
    text[place // 8] ^= 1 << place % 8
    try:
        read = FitFile.from_json(bytes(text))
    except msgspec.MsgspecError:
        return
    # What a flip may change is how it is laid out, and no more.
    assert (
        json.loads(text)["config"] == json.loads(FitFile("Hopper", read.config).to_json())["config"]
    )
    assert read == FitFile("Hopper", FitConfig())


@pytest.mark.parametrize("text", [b"", b"[]", b"3", b"\xff", b'{"a": NaN}', b"[" * 10**5])
def test_what_is_no_object_is_refused(text):
    with pytest.raises(msgspec.MsgspecError):
        unsealed(text)
