"""What README shows can be typed: its Python runs, its commands are read, its files are there."""

import ast
import builtins
import inspect
import re
import shlex
from pathlib import Path

import pytest
import torch
from gymnasium.vector import AutoresetMode

from learned_envs import registry
from learned_envs.cli import parse
from learned_envs.envs.making import make_vector
from learned_envs.envs.single import LearnedEnv
from learned_envs.envs.vector import LearnedVectorEnv

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
SHELL = [
    command.strip()
    for block in re.findall(r"^```\n(.*?)^```", README, re.M | re.S)
    for line in block.splitlines()
    for command in line.split("&&")
]
COMMANDS = [command for command in SHELL if command.startswith("learned-envs ")]
NAMED = [" ".join(text.split()) for text in re.findall(r"`(learned-envs [^`]+)`", README)]

SMALLER = {
    "num_envs=1024": "num_envs=8",
    "n_envs=256": "n_envs=2",
    "batch_size=2048": "batch_size=64",
    "learn(1_000_000)": "learn(64)",
    "reset(1024)": "reset(8)",
    "horizon=200": "horizon=5",
    "CEM(horizon=30)": "CEM(horizon=3)",
    '"runs/mine"': '"Hopper"',
}
"""What would take minutes, and what is run in its place."""

PLACEHOLDERS = {"TASK": "Hopper", "FAMILY": "second_order", "N": "2"}


def policy(observations: torch.Tensor) -> torch.Tensor:
    """Do nothing: README leaves it to its reader how to act."""
    return torch.zeros(len(observations), 3)


GIVEN = {"policy": policy}
"""Names in README that are the reader's own."""

NOT_IN_THE_TABLE = {"task", "num_envs", "max_episode_steps", "parameters"}
"""Arguments of environments that are Gymnasium's own, or the real environment's."""


def test_its_python_runs() -> None:
    assert PYTHON
    code = "\n".join(PYTHON)
    for large, small in SMALLER.items():
        assert large in code, f"README no longer says {large}: mend SMALLER here."
        code = code.replace(large, small)
    exec(compile(code, "README.md", "exec"), dict(GIVEN))


def test_its_python_leaves_no_other_name_to_the_reader() -> None:
    names = [n for n in ast.walk(ast.parse("\n".join(PYTHON))) if isinstance(n, ast.Name)]
    imported = re.findall(r"^(?:import|from .* import) (.*?)(?:  #.*)?$", "\n".join(PYTHON), re.M)
    known = {n.id for n in names if isinstance(n.ctx, ast.Store)} | set(dir(builtins))
    known |= {name.split()[-1] for line in imported for name in line.split(",")}
    assert {n.id for n in names if isinstance(n.ctx, ast.Load)} - known == set(GIVEN)


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_are_read(command: str) -> None:
    _, *words = shlex.split(command, comments=True)
    read = parse([PLACEHOLDERS.get(word, word) for word in words])
    if hasattr(read, "task"):
        registry.task_of(read.task)
    if hasattr(read, "family"):
        registry.family_class(read.family)


@pytest.mark.parametrize("command", NAMED)
def test_the_commands_that_it_names_have_these_options(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, subcommand, *words = shlex.split(command)
    with pytest.raises(SystemExit) as ended:
        parse([subcommand, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[\w-]+", told))


def test_its_options_are_those_of_the_environments() -> None:
    (table,) = re.findall(r"^\| option of .*?(?=^$)", README, re.M | re.S)
    first_column = "".join(row.split("|")[1] for row in table.splitlines()[2:])
    told = {
        name: eval(text, {"AutoresetMode": AutoresetMode})
        for name, text in re.findall(r"`(\w+)=(.+?)`", first_column)
    }
    vector, single = (
        {
            name: parameter.default
            for name, parameter in inspect.signature(face).parameters.items()
            if name not in NOT_IN_THE_TABLE
        }
        for face in (LearnedVectorEnv, LearnedEnv)
    )
    rules = inspect.signature(make_vector).parameters["rules"].default
    assert told == {**vector, "rules": rules}
    assert single.items() <= vector.items()


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"\b(?:benchmarks|docs|examples)/[\w/]+\.\w+", README)))
)
def test_its_files_are_there(path: str) -> None:
    assert (ROOT / path).is_file()
