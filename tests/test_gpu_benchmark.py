"""The benchmark on a GPU runs on a CPU too, at small sizes; what fails is told."""

import json
import math
import time
from dataclasses import replace

import pytest
import torch
from grids import SHIPPED
from marks import needs_compiler

from learned_envs import Simulation, registry


@pytest.fixture
def small(benchmark, tmp_path):
    """`small(*parts)`: run parts at small sizes in this process; their rows, and the Markdown."""
    gpu = benchmark("gpu")

    def run(*parts, **options):
        asked = gpu.Options(
            tmp_path / "out", parts, device="cpu", minutes=9, sizes=(32,), seconds=0.01, **options
        )
        wrong = gpu.main(replace(asked, apart=options.get("apart", False)))
        written = json.loads((tmp_path / "out" / "gpu.json").read_text())
        return wrong, written["rows"], (tmp_path / "out" / "gpu.md").read_text()

    return run


def test_every_task_and_family_is_compared(benchmark, small, monkeypatch):
    compared = benchmark("gpu_agreement")
    assert compared.shipped() == SHIPPED
    monkeypatch.setattr(compared, "shipped", lambda: ["InvertedDoublePendulum"])
    for family in registry.FAMILIES.keys() - {"second_order", "rigid_body"}:
        monkeypatch.delitem(registry.FAMILIES, family)
    wrong, rows, text = small("agreement")
    assert wrong == 0, text
    models = {row["model"] for row in rows}
    assert models == {"InvertedDoublePendulum", "second_order", "rigid_body"}
    assert len(rows) == 3 * 4 + 2 and all(row["good"] for row in rows)
    assert "| make_vec, tensors | yes" in text


def test_speeds_stand_beside_their_ceiling(benchmark, small, monkeypatch):
    speed = benchmark("gpu_speed")
    # The others are compiled, which takes seconds each.
    kept = [way for way in speed.ORDER if way[0] == speed.EAGER]
    monkeypatch.setattr(speed, "ORDER", kept)
    wrong, rows, text = small("ceiling", "rollouts", "environments", "mjx", task="InvertedPendulum")
    assert wrong == 0, text
    assert {row["what"] for row in rows if "speed" in row} >= {
        "ceiling",
        "Simulation.rollout",
        "make_vec, tensors=True",
    }
    assert all(row["speed"] > 0 for row in rows if "speed" in row)
    eager = next(line for line in text.splitlines() if line.startswith("| eager, float32 |"))
    assert "%" in eager


@needs_compiler
def test_compiled_steps_and_gradients_are_those_of_the_device(benchmark, small, monkeypatch):
    monkeypatch.setattr(benchmark("gpu_promises"), "shipped", lambda: ["InvertedPendulum"])
    wrong, rows, text = small("promises", task="InvertedPendulum")
    assert wrong == 0, text
    assert [row["what"] for row in rows] == [
        "Simulation, compiled",
        "make_vec, compiled",
        "gradient of a return, uncompiled",
        "gradient of a return, compiled",
    ]


# 0 steps: nothing of MuJoCo is recorded, as on a machine without it.
def test_a_model_learns_from_what_was_recorded_in_the_shipped_one(small):
    wrong, rows, text = small(
        "updates", "evaluations", "learning", learner="InvertedPendulum", steps=0
    )
    assert wrong == 0, text
    trained = rows[-1]
    assert trained["what"].endswith("of the shipped model")
    assert trained["updates"] > 0 and math.isfinite(trained["score_after"])
    assert set(next(row for row in rows if row["part"] == "evaluations")["median_errors"]) == {
        "1",
        "10",
        "50",
        "100",
    }


def test_a_piece_that_fails_says_so_and_the_others_go_on(benchmark, tmp_path):
    run_of = benchmark("gpu_run")
    run = run_of.Run(
        part="some",
        device="cpu",
        sizes=(8,),
        seconds=0.01,
        deadline=time.time() + 60,
        task="Hopper",
        learner="Hopper",
        steps=0,
        learning=0.1,
        rows=str(tmp_path / "some.jsonl"),
        data=str(tmp_path),
    )

    def full():
        raise torch.OutOfMemoryError("no room for 7 GiB")

    def broken():
        raise ValueError("it is broken\nand this is why")

    run.attempt(full, what="one")
    run.attempt(broken, what="two")
    run.attempt(lambda: {"speed": 3.0}, what="three")
    replace(run, deadline=0.0).attempt(broken, what="four")
    gpu = benchmark("gpu")
    rows = gpu.read(run, "ended with -11: ")
    assert [row.get("failure", row.get("speed")) for row in rows] == [
        "out of memory",
        "ValueError: it is broken",
        3.0,
        "not reached",
        "ended with -11: ",
    ]
    assert [row["what"] for row in gpu.wrong(rows)] == ["two", "the part as a whole"]


def test_a_part_has_a_process_of_its_own_that_may_die(benchmark, small):
    wrong, rows, text = small("evaluations", apart=True, learner="NoSuchTask", steps=0)
    assert wrong == 1
    assert "evaluations, the part as a whole: ended with 1: " in text
    assert "NoSuchTask" in rows[0]["failure"]


def test_products_are_counted_once_for_each_time_a_step_makes_them(benchmark):
    calls = benchmark("gpu_speed").layers_of(Simulation.load("HalfCheetah"))
    # Two substeps, each through one network of three members.
    assert len(calls) == 2
    assert all(weight.shape[0] == 3 for layers in calls for weight in layers)
