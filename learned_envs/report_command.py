"""The command that writes the report of a fit, and the report at the end of every fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta
from tyro.conf import Positional, arg

from learned_envs.errors import DependencyError
from learned_envs.terminal import Advance, bars, console, warn

STAGES = ("loading episodes", "rolling out", "filming", "writing")
"""What a report goes through; the time of each is not known before."""


@dataclass(frozen=True)
class Report:
    """Write a fit's report: one page that opens without a network, and its figures as JSON."""

    run_or_id: Annotated[Positional[str], arg(metavar="RUN")]
    """A fit's folder, finished or not, a checkpoint, or the name or id of a task with shipped
    weights."""
    out: Annotated[Path | None, arg(metavar="FILE.html")] = None
    """The page; its figures go beside it. If not given: report.html in the fit's folder, or
    here."""
    data: Annotated[Path | None, arg(metavar="PATH")] = None
    """A dataset to measure on. If not given: the episodes that the fit held out."""
    device: Annotated[str | None, arg(metavar="NAME")] = None
    """Where to roll out. If not given: a GPU if there is one."""
    interrupted = "Nothing was written."

    def run(self) -> None:
        """Write it, and say where it is."""
        write(self.run_or_id, self.out, self.data, self.device)


@dataclass(frozen=True)
class Compare:
    """Put fits side by side: what they are good enough for, and their errors."""

    runs: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN"), Meta(min_length=2)]
    """Fits' folders, checkpoints, or names or ids of tasks with shipped weights; two or more."""
    out: Annotated[Path | None, arg(metavar="FILE.json")] = None
    """Where the figures go as JSON, if anywhere."""
    interrupted = "Nothing was written."

    def run(self) -> None:
        """Print them."""
        import msgspec

        from learned_envs.files import write_whole
        from learned_envs.report.asked import Asked
        from learned_envs.report.gather import gather
        from learned_envs.report.side_by_side import side_by_side

        contents = {run: gather(Asked(run, measured=False)) for run in self.runs}
        console().print(side_by_side(contents))
        every = (content.facts.get("modelled on") for content in contents.values())
        kinds = {kind for kind in every if kind is not None}
        if len(kinds) > 1:
            warn("These are of several systems: their errors have several units.")
        if self.out is not None:
            plain = {run: msgspec.json.decode(each.to_json()) for run, each in contents.items()}
            write_whole(self.out, msgspec.json.format(msgspec.json.encode(plain), indent=1))
            print(f"wrote {self.out}")


def write(
    run: str | Path,
    out: Path | None = None,
    data: Path | None = None,
    device: str | None = None,
    failure: str | None = None,
) -> None:
    """Write a report with progress, and print where it is; see `write_report`."""
    from learned_envs.report.asked import Asked
    from learned_envs.report.write import write_report

    with bars() as bar:
        shown: list[Advance] = []

        def stage(name: str) -> None:
            # What is refused shows no bar.
            if not shown:
                shown.append(bar("report", len(STAGES)))
            shown[0](STAGES.index(name), name)

        page, _ = write_report(Asked(run, data, device, failure, on_stage=stage), out)
        shown[0](len(STAGES), "")
    print(f"wrote {page}")


def write_after_fit(folder: Path, device: str | None, failure: str | None = None) -> None:
    """Write the report of a fit that has just ended; what prevents it is told in a line."""
    try:
        write(folder, device=device, failure=failure)
    except DependencyError as error:
        print(f"note: no report was written. {error}")
    except Exception as error:
        # The fit is done, whatever keeps its report from being written.
        warn(f"No report was written: {error} ({type(error).__name__})")
