"""No step falls back from native code without a row of docs/performance.md that says so.

The table is what `python benchmarks/native.py --write` found; here a sample of it is found again.
"""

import pytest

from learned_envs.collect.asking import ask
from learned_envs.registry import TASKS, shipped_weights


@pytest.fixture(scope="module")
def table():
    def of(native):
        text = native.PAGE.read_text().partition(native.BEGIN)[2].partition(native.END)[0]
        rows = [line.strip("| ").split(" | ") for line in text.strip().splitlines()[2:]]
        return {(family, system): code for family, system, code in rows}

    return of


def test_every_task_with_weights_has_a_row(benchmark, table):
    named = table(benchmark("native"))
    tasks = {task for task in TASKS if shipped_weights(task).exists()}
    assert tasks <= {system for family, system in named if family == "second_order"}


@pytest.mark.parametrize("family", ["second_order", "residual_mlp", "rigid_body"])
def test_the_table_says_what_stops_a_familys_code(family, benchmark, table, spec):
    native = benchmark("native")
    stopped = native.shown(native.found(family, ask("Hopper", spec("Hopper"))))
    assert table(native)[family, "Hopper"] == stopped
