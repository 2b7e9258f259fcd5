"""Whatever a card says, it is read, or refused by one error that names the file."""

import copy
import io
import json
from typing import Any

import pytest
from cards import stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from safetensors.torch import load_file, save_file

from learned_envs.card import checksum, read_card
from learned_envs.errors import CheckpointError
from learned_envs.simulation import Simulation
from learned_envs.terminal import card_table, key_figures

small = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

values = st.one_of(
    st.sampled_from([None, True, "", "x" * 300, "[/red]", [], {}, [[]], [{}], -1, 0, 1, 2]),
    st.sampled_from([10**6, 10**12, -(10**30), 10**30, 1e-300, 1e300, 0.5, [0, 0], [1.5], [1e308]]),
    st.sampled_from(["Hopper", "recurrent", "rk4", "dopri5", "tanh", "free", "plane", "1"]),
)
"""What a value of a card is replaced by."""


def places(plain: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where a card has values, at any depth."""
    items = (
        plain.items()
        if isinstance(plain, dict)
        else enumerate(plain)
        if isinstance(plain, list)
        else ()
    )
    return [place for key, value in items for place in ((*path, key), *places(value, (*path, key)))]


def changed(plain: Any, place: tuple[Any, ...], value: Any, remove: bool) -> Any:
    plain = copy.deepcopy(plain)
    parent = plain
    for key in place[:-1]:
        parent = parent[key]
    if remove:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return plain


@pytest.fixture(scope="module", params=["InvertedDoublePendulum", "Hopper"])
def original(request, checkpoint):
    path = checkpoint(request.param)
    return load_file(path), stored(path)


def use(path):
    """Read, show, load and step a checkpoint."""
    card = read_card(path)
    console = Console(file=io.StringIO(), markup=False)
    console.print(key_figures(card), card_table(card, path))
    simulation = Simulation.load(path)
    state = simulation.reset(2)
    action = state.v.new_zeros(2, simulation.task.spec.nu)
    assert simulation.step(state, action, disagreement=True).observation.shape[0] == 2


@small
@given(data=st.data())
def test_a_card_of_which_something_is_changed(original, tmp_path, data):
    tensors, plain = original
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(places(plain)))
        plain = changed(plain, place, data.draw(values), data.draw(st.booleans()))
    path = tmp_path / "w.safetensors"
    text = json.dumps({**plain, "checksum": checksum(plain)})
    save_file(tensors, path, {"card": text})
    try:
        use(path)
    except CheckpointError as error:
        assert str(path) in str(error)


@small
@given(text=st.one_of(st.text(max_size=30), st.binary(max_size=30).map(repr)), depth=st.integers(0))
def test_a_card_that_is_any_text(original, tmp_path, text, depth):
    tensors, plain = original
    path = tmp_path / "w.safetensors"
    nested = json.dumps(plain)[:-1] + ', "x": ' + "[" * min(depth, 10**5)
    for card in (text, nested, nested + "]" * min(depth, 10**5) + "}"):
        save_file(tensors, path, {"card": card})
        with pytest.raises(CheckpointError):
            use(path)
