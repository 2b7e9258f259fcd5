"""`--json` prints one document and nothing else, with the figures that are printed without it."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from stable_baselines3 import PPO

from learned_envs import registry
from learned_envs.card import read_card
from learned_envs.cli import main
from learned_envs.documents import document as document_of
from learned_envs.documents import finite, report_document
from learned_envs.evaluation.report import Report
from learned_envs.figures import Curve

MANUAL = (Path(__file__).parents[1] / "docs" / "command_line.md").read_text(encoding="utf-8")

PLAIN = {"options", "data", "training", "returns", "versions", "errors"}
"""What is handed on from cards as it is; its own names are the cards'."""


def run(*words: object, code: int = 0) -> tuple[str, str]:
    """Run the command as a user does, by `python -m learned_envs`: (stdout, stderr)."""
    done = subprocess.run(
        [sys.executable, "-m", "learned_envs", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def document(*words: object) -> dict:
    def refused(word: str) -> None:
        pytest.fail(f"{word} is no JSON")

    return json.loads(run(*words, "--json")[0], parse_constant=refused)


def names(told: object) -> set[str]:
    """Return the names in a document, but for those of what is handed on."""
    if isinstance(told, list):
        return set().union(*map(names, told))
    if not isinstance(told, dict):
        return set()
    below = [names(each) for name, each in told.items() if name not in PLAIN | {"sensors"}]
    return set(told).union(*below)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    out = tmp_path_factory.mktemp("json") / "pendulum"
    words = "--steps 1500 --learners 0 --updates 10 --check-every 5 --members 2 --device cpu"
    options = ["--option", "hidden=16,16"]
    assert main(["fit", "InvertedPendulum", "--out", str(out), *words.split(), *options]) == 0
    return out


def test_list():
    told = document("list")
    tasks = {entry["task"]: entry for entry in told["tasks"]}
    assert list(tasks) == list(registry.TASKS)
    assert told["default_family"] in told["families"]
    hopper, card = tasks["Hopper"], read_card("Hopper")
    assert hopper["environment"] == "LearnedSim-Hopper-v0"
    assert hopper["weights"]["real_steps"] == card.real_steps
    assert hopper["weights"]["median_error"] == list(card.held_out.curve("model").median)
    assert tasks["ChainPendulum-2"]["weights"] is None
    assert names(told) <= set(re.findall(r"`(\w+)`", MANUAL))


@pytest.mark.parametrize("task", ["Hopper", "Ant"])
def test_info_of_shipped_weights(task):
    told, card = document("info", task), read_card(task)
    assert told["sha256"] == card.sha256
    assert told["held_out"]["horizons"] == list(card.held_out.horizons)
    assert told["returns"]["inside"] == card.returns.inside
    assert (told["rules"] is None) == (card.rules is None)
    assert names(told) <= set(re.findall(r"`(\w+)`", MANUAL))


def test_evaluate_says_what_is_printed(fitted, tmp_path, capsys):
    plot = tmp_path / "errors.png"
    words = ["evaluate", fitted, "--trajectories", 30, "--plot", plot]
    told = document(*words)
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert told["plot"] == str(plot)
    assert told["agents"] == []
    assert names(told) <= set(re.findall(r"`(\w+)`", MANUAL))
    report = told["report"]
    (model,) = [curve for curve in report["curves"] if curve["name"] == "model"]
    assert main([str(word) for word in words]) == 0
    printed = capsys.readouterr().out
    assert told["measured_on"] in printed
    row = next(line for line in printed.splitlines() if line.startswith("│ model "))
    assert [cell.split()[0] for cell in row.split("│")[2:-1]] == [
        f"{median:.2g}" for median in model["median"]
    ]


def test_evaluate_runs_agents(fitted, tmp_path, capsys):
    PPO("MlpPolicy", "InvertedPendulum-v5", device="cpu").save(tmp_path / "agent.zip")
    words = ["--agent", tmp_path / "agent.zip", "--episodes", 2, "--trajectories", 9, "--json"]
    words = ["evaluate", fitted, *words, "--plot", tmp_path / "errors.png"]
    assert main([str(word) for word in words]) == 0
    told = json.loads(capsys.readouterr().out)
    (agent,) = told["agents"]
    assert agent["episodes"] == 2
    assert 0 <= agent["fell_inside"] <= 1
    assert names(told) <= set(re.findall(r"`(\w+)`", MANUAL))


def test_an_error_leaves_stdout_empty():
    printed, error = run("info", "Hoper", "--json", code=1)
    assert printed == ""
    assert len(error.splitlines()) == 1


def test_what_others_print_meanwhile_goes_to_stderr(capsys):
    with document_of() as told:
        print("a user's environment says hello")
        told["steps"] = 3
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"steps": 3}
    assert "hello" in printed.err


def test_what_is_not_finite_is_null():
    curves = (
        Curve("model", (0.1, math.inf), (0.2, math.nan)),
        Curve("hold", (1.0, 1.0), (1.0, 1.0)),
    )
    told = finite(report_document(Report("Hopper-v5", (1, 10), 5, curves)))
    assert told["curves"][0] == {"name": "model", "median": [0.1, None], "mean": [0.2, None]}
    assert told["model_over_hold"] == [0.1, None]
    json.dumps(told, allow_nan=False)
