"""How exact are the rules that are traced from environments' own code?

    python benchmarks/rules.py                      # Gymnasium's MuJoCo tasks, a minute
    python benchmarks/rules.py --names Ant-v5 "Hopper-v5?frame_skip=2" --write

traces each environment, steps the real one by random actions, beyond falls, and compares what it
returned with what the rules make of what physics did. What cards note is printed too: what a
model does not see, and what lags behind a step. With `--write` the rows go into
docs/rules.md, where those of other environments stay.
"""

from __future__ import annotations

import re
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec
import tyro

from learned_envs.collect.compared import EXACT
from learned_envs.collect.traced import reference_of, traced_rules
from learned_envs.errors import LearnedEnvsError
from learned_envs.registry import task_entry, task_of
from learned_envs.rules.tracing.trace import trace_rules
from learned_envs.schema import LARGEST
from learned_envs.systems.discovery import discover
from learned_envs.systems.reference import deprecations_swallowed, make_reference
from learned_envs.tasks.traced import TracedTask

PAGE = Path(__file__).parents[1] / "docs" / "rules.md"
BEGIN, END = "<!-- rules -->", "<!-- /rules -->"

HEAD = (
    "| environment | columns | exact | learned | observation | reward | ends | wrong ends |"
    " ways | trace | operations | kB |\n" + "|---" * 12 + "|"
)

GYMNASIUM = (
    *("InvertedPendulum-v5", "InvertedDoublePendulum-v5", "Reacher-v5", "Pusher-v5"),
    *("Swimmer-v5", "Hopper-v5", "Walker2d-v5", "HalfCheetah-v5", "Ant-v5", "Humanoid-v5"),
    "HumanoidStandup-v5",
)


@dataclass(frozen=True)
class Options:
    """Compare traced rules with the environments that they are of."""

    names: tuple[str, ...] = GYMNASIUM
    """Environments, as `learned-envs fit` takes them."""
    write: bool = False
    """Put the rows into docs/rules.md."""


def row(name: str) -> str:
    """Trace an environment, and return its row."""
    entry = task_entry(task_of(name))
    try:
        with deprecations_swallowed(), closing(make_reference(name)) as env:
            reference = reference_of(env, entry)
            probed = discover(env)
            begin = time.perf_counter()
            trace_rules(env)
            seconds = time.perf_counter() - begin
            found = traced_rules(env, probed, entry, reference)
    except LearnedEnvsError as error:
        reason = re.sub(r"/\S*?/site-packages/", "", str(error).splitlines()[0])
        return f"| {name} | {reason} |" + " |" * 10
    for note in found.entries.notes or ():
        print(f"{name}: {note}")
    return laid_out(name, found.task, seconds)


def laid_out(name: str, task: TracedTask, seconds: float) -> str:
    """Return the row of what was traced."""
    sensors = {sensor.name for sensor in task.sensors}
    learned = {name: None for name in task.rules.inputs if name.partition(".")[2] in sensors}
    rules = msgspec.structs.replace(task.rules, learned=learned)
    found, how = rules.checked, rules.how()
    assert found is not None
    exact = [
        error <= EXACT and each == "exact"
        for error, each in zip(found.observation, how["observation"], strict=True)
    ]
    paid = " (learned)" if "learned" in how["reward"] else ""
    cells = (
        name,
        len(found.observation),
        sum(exact),
        how["observation"].count("learned"),
        figure(max(found.observation)),
        figure(found.reward) + paid,
        f"{found.ends:,}",
        found.terminated + found.truncated,
        rules.ways,
        f"{seconds:.2f} s",
        len(rules.step.nodes),
        f"{len(rules.step.to_json()) / 1000:.1f}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def figure(error: float) -> str:
    """Return a largest error as it stands in the table."""
    return "no number" if error >= LARGEST else f"{error:.1g}"


def written(rows: dict[str, str]) -> None:
    """Put rows into the page, in the place of those of the same environments."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    old = {line.split("|")[1].strip(): line for line in table.strip().splitlines()[2:]}
    lines = "\n".join((HEAD, *{**old, **rows}.values()))
    PAGE.write_text(f"{before}{BEGIN}\n{lines}\n{END}{after}", encoding="utf-8")


def main(options: Options) -> None:
    rows = {}
    print(HEAD)
    for name in options.names:
        rows[name] = row(name)
        print(rows[name], flush=True)
    if options.write:
        written(rows)


if __name__ == "__main__":
    main(tyro.cli(Options))
