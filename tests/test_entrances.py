"""What is passed in place of a model, a dataset, settings or a name is one error that says so."""

import pytest

import learned_envs
from learned_envs import Simulation, save_checkpoint
from learned_envs.data.minari import import_minari
from learned_envs.data.minari_export import export_minari
from learned_envs.data.source import open_dataset
from learned_envs.errors import ParameterError
from learned_envs.fit import fit
from learned_envs.planning import imagined_returns
from learned_envs.sb3 import train_agent
from learned_envs.transfer import train_inside

ODD = [3, 1.5, [1], {1: 2}, b"y", True, object()]


@pytest.fixture
def entrances(weights, tmp_path):
    """What takes one argument each, in place of what it expects."""
    loaded = Simulation.load(weights)
    file = tmp_path / "model.safetensors"
    return {
        "a model to save": lambda odd: save_checkpoint(file, odd, {"task": "Hopper"}),
        "a path to save to": lambda odd: save_checkpoint(odd, loaded.dynamics, {"task": "Hopper"}),
        "a dataset": open_dataset,
        "a task": lambda odd: open_dataset(tmp_path, odd),
        "a set of Minari": lambda odd: import_minari(odd, "Hopper", loaded.task.spec),
        "a dataset to export": lambda odd: export_minari(odd, tmp_path / "out"),
        "settings of a fit": lambda odd: fit("Hopper", tmp_path / "run", odd),
        "settings of an agent": lambda odd: train_inside("Hopper", 100, 0, weights, config=odd),
        "settings of training": lambda odd: train_agent(None, 100, odd),
        "a simulation": imagined_returns,
        "a name": lambda odd: learned_envs.register_family(odd, "module:Family"),
        "an entry point": lambda odd: learned_envs.register_improver("odd", odd),
        "a reference": lambda odd: learned_envs.register_task("Odd", "m:n", reference_id=odd),
    }


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_what_is_of_another_type_is_one_error(entrances, odd, tmp_path):
    for name, use in entrances.items():
        with pytest.raises(ParameterError, match="expected"):
            use(odd)
            pytest.fail(f"{name} took {odd!r}")
    assert not list(tmp_path.iterdir())


def test_a_card_is_a_mapping(weights, tmp_path):
    with pytest.raises(ParameterError, match="expected a Mapping"):
        save_checkpoint(tmp_path / "m.safetensors", Simulation.load(weights).dynamics, [1])
