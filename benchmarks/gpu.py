"""Is a GPU right, and how fast is it? One command, eight minutes.

    python benchmarks/gpu.py --out figures        # gpu.md and gpu.json

Each part has a process and a share of the time of its own. One that fails, or is not done in time,
says so, and the others go on. With `--part rollouts` there is only that one, with all of the time.

What is measured, each in the same run:

- Steps, rollouts and environments are those of the CPU to 1e-4: every task, every family.
- Compiled or recorded as CUDA graphs they are the same, and no step waits for the GPU.
- `Simulation.rollout`, `make_vec(..., tensors=True)` and updates of training a second, from 1,024
  to 1,048,576 at once; eager, compiled, as CUDA graphs; in float32, tf32 and bfloat16. Beside a
  speed stands its share of what the bare products of the model's own layers reach.
- MJX, if it is installed: physics alone.
- Held-out rollouts, thousands in one batch; one ensemble trained for three minutes.

Nothing is downloaded. Without MuJoCo what is trained on is recorded in the shipped model. On a
machine without this package, put it and what it needs that the machine lacks into a folder. What
it lacks is named at once:

    pip wheel --no-deps -w wheels .     # here; and `pip download --no-deps` of gymnasium, tyro, ...
    pip install --no-index --no-deps --target site wheels/*.whl       # there
    PYTHONPATH=site python benchmarks/gpu.py --out figures

On a machine without a GPU all of it runs at small sizes on the CPU, to show that it runs.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path
from typing import Any

import torch
import tyro
from gpu_report import report
from gpu_run import NOT_REACHED, OUT_OF_MEMORY, Row, Run
from machine import processor

from learned_envs.files import write_whole
from learned_envs.workers import usable_cores

PARTS: dict[str, tuple[tuple[str, ...], float]] = {
    # what runs, and its share of the time in seconds of eight minutes
    "agreement": (("gpu_agreement:tasks_agree", "gpu_agreement:families_agree"), 35),
    "ceiling": (("gpu_speed:machine", "gpu_speed:ceiling"), 20),
    "rollouts": (("gpu_speed:rollouts",), 50),
    "environments": (("gpu_speed:environments",), 50),
    "promises": (("gpu_promises:promises",), 50),
    "updates": (("gpu_learning:updates",), 25),
    "evaluations": (("gpu_learning:evaluations",), 20),
    "learning": (("gpu_learning:learning",), 205),
    "mjx": (("gpu_speed:mjx",), 25),
}
"""The parts in their order. Time that one leaves is the others'."""

MAY_LACK = ("mujoco", "imageio", "pillow", "matplotlib", "tensorboard")
"""What a GPU is measured without, if it is not installed."""

GRACE = 10.0
"""Seconds past its deadline after which a part is stopped: a piece may be under way."""


@dataclass(frozen=True)
class Options:
    """Measure a GPU, or show on a CPU that all of it runs."""

    out: Path
    """Where gpu.md and gpu.json go."""
    part: tuple[str, ...] = tuple(PARTS)
    """Which parts."""
    device: str | None = None
    """The torch device; the GPU if there is one."""
    minutes: float | None = None
    """Time for all parts together: 8 on a GPU, 2 on a CPU."""
    sizes: tuple[int, ...] | None = None
    """Environments at once."""
    seconds: float | None = None
    """Time for one speed."""
    task: str = "Hopper"
    """The task whose speed is measured."""
    learner: str = "HalfCheetah"
    """The task whose model is trained and evaluated."""
    steps: int | None = None
    """Steps that are recorded for it; with 0, in the shipped model even if MuJoCo is there."""
    apart: bool = True
    """Give each part a process of its own."""


def main(options: Options) -> int:
    """Run the parts, write what they gave, and return how many pieces went wrong."""
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    gpu = torch.device(device).type == "cuda"
    if unknown := [name for name in options.part if name not in PARTS]:
        raise SystemExit(f"There is no part {', '.join(unknown)}. There are {', '.join(PARTS)}.")
    if absent := missing():
        raise SystemExit(f"Not installed here: {', '.join(absent)}. Install these first.")
    minutes = options.minutes or (8.0 if gpu else 2.0)
    end = time.time() + 60 * minutes
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for place, name in enumerate(options.part):
            left = {other: PARTS[other][1] for other in options.part[place:]}
            share = max(0.0, end - GRACE - time.time()) * left[name] / sum(left.values())
            run = Run(
                part=name,
                device=device,
                sizes=options.sizes or ((2**10, 2**14, 2**17, 2**20) if gpu else (64, 256)),
                seconds=options.seconds or (0.4 if gpu else 0.02),
                deadline=time.time() + share,
                task=options.task,
                learner=options.learner,
                steps=(200_000 if gpu else 2000) if options.steps is None else options.steps,
                learning=180.0 if gpu else 0.5,
                rows=str(Path(folder) / f"{name}.jsonl"),
                data=folder,
            )
            begin = time.time()
            ended = apart(run) if options.apart else here(run)
            rows += ended
            print(f"{name}: {len(ended)} rows in {time.time() - begin:.0f} s", flush=True)
    about = about_this(device)
    bad = wrong(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    content = {"about": about, "rows": rows}
    write_whole(options.out / "gpu.json", json.dumps(content, indent=1).encode())
    text = report(about, rows, bad)
    write_whole(options.out / "gpu.md", text.encode())
    print(text)
    return len(bad)


def missing() -> list[str]:
    """List the distributions that this package needs and that are not installed.

    MuJoCo may be missing, and what only pictures and plots need.
    """
    try:
        needed = distribution("learned-envs").requires or ()
    except PackageNotFoundError:
        return ["learned-envs"]
    own = [re.split(r"[^\w.-]", line)[0] for line in needed if "extra ==" not in line]
    return [name for name in own if name not in MAY_LACK and not any(distributions(name=name))]


def apart(run: Run) -> list[Row]:
    """Run a part in a process of its own: whatever breaks there ends with it."""
    command = [sys.executable, __file__, "--run", run.to_json()]
    # JAX would take three quarters of the GPU's memory at once.
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    seconds = max(0.0, run.left()) + GRACE
    failure = ""
    try:
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
        if ended.returncode:
            last = ended.stderr.strip().splitlines()[-1:] or [""]
            failure = f"ended with {ended.returncode}: {last[0]}"
    except subprocess.TimeoutExpired:
        failure = f"stopped after {seconds:.0f} s, in the piece after the last one here"
    return read(run, failure)


def here(run: Run) -> list[Row]:
    """Run a part in this process."""
    try:
        run_part(run)
    except Exception as error:
        return read(run, f"{type(error).__name__}: {error}")
    return read(run, "")


def run_part(run: Run) -> None:
    """Do all that a part does; its rows go to its file."""
    for entry in PARTS[run.part][0]:
        module, _, function = entry.partition(":")
        getattr(importlib.import_module(module), function)(run)


def read(run: Run, failure: str) -> list[Row]:
    """Return the rows of a part, and one more if it failed as a whole."""
    path = Path(run.rows)
    rows: list[Row] = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:  # the last line of a part that was stopped
            continue
    if failure:
        rows.append({"part": run.part, "what": "the part as a whole", "failure": failure})
    return rows


def wrong(rows: Sequence[Row]) -> list[Row]:
    """Return what is not as it should be. Too little memory or time is no fault, nor is no MJX."""
    excused = (OUT_OF_MEMORY, NOT_REACHED, "not installed", "stopped after")
    return [
        row
        for row in rows
        if not row.get("good", True)
        or ("failure" in row and not row["failure"].startswith(excused))
    ]


def about_this(device: str) -> Mapping[str, Any]:
    """Name the machine and the versions."""
    about = {
        "device": device,
        "GPU": torch.cuda.get_device_name() if torch.device(device).type == "cuda" else "none",
        "CPU": processor(),
        "cores": usable_cores(),
        "torch": torch.__version__,
        "CUDA": torch.version.cuda or "none",
        "Python": platform.python_version(),
    }
    if torch.device(device).type == "cuda":
        properties = torch.cuda.get_device_properties(0)
        about["GPU memory"] = f"{properties.total_memory / 2**30:.0f} GiB"
    return about


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_part(Run.from_json(sys.argv[2]))
    else:
        raise SystemExit(1 if main(tyro.cli(Options)) else 0)
