"""Writing a report: the page, and its figures as plain data."""

from __future__ import annotations

from pathlib import Path

from learned_envs.errors import ParameterError
from learned_envs.files import write_whole
from learned_envs.fit.folder import REPORT_FILE
from learned_envs.report.asked import Asked
from learned_envs.report.page import expect_libraries, page


def write_report(asked: Asked, out: Path | None = None) -> tuple[Path, Path]:
    """Write the report of a fit, whatever there is of it.

    Args:
        asked: what of.
        out: the page; if None, report.html in the fit's folder, or here.

    Returns:
        The page, and beside it the file of its figures.

    Raises:
        DependencyError: if what lays a page out is not installed.
        ParameterError: if the page's name does not end in .html.
        CheckpointError: if there is neither a fit nor a checkpoint.
        OutputError: if a file cannot be written.
    """
    folder = Path(asked.run)
    path = out or (folder if folder.is_dir() else Path()) / REPORT_FILE
    if path.suffix.lower() not in (".html", ".htm"):
        raise ParameterError(f"Got {path} for a report, expected a name that ends in .html.")
    expect_libraries()
    from learned_envs.report.gather import gather

    content = gather(asked)
    asked.on_stage("writing")
    figures = path.with_suffix(".json")
    laid_out = page(content).encode()
    write_whole(figures, content.to_json())
    write_whole(path, laid_out)
    return path, figures
