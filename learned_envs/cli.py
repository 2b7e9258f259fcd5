"""The command line: parse, call, and turn errors into exit codes."""

from __future__ import annotations

import codecs
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import subcommand

from learned_envs.commands import Collect, Demo, Evaluate, ExportMinari, Info, List
from learned_envs.errors import (
    CachedModelWarning,
    LearnedEnvsError,
    ParameterError,
    RebuiltDataWarning,
)
from learned_envs.fit_command import Fit
from learned_envs.logs_command import Logs
from learned_envs.report_command import Compare, Report
from learned_envs.schema import check
from learned_envs.share_command import Pack, Push

Command = (
    Annotated[List, subcommand("list")]
    | Annotated[Demo, subcommand("demo")]
    | Annotated[Fit, subcommand("fit")]
    | Annotated[Collect, subcommand("collect")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Info, subcommand("info")]
    | Annotated[Report, subcommand("report")]
    | Annotated[Compare, subcommand("compare")]
    | Annotated[Logs, subcommand("logs")]
    | Annotated[ExportMinari, subcommand("export-minari")]
    | Annotated[Pack, subcommand("pack")]
    | Annotated[Push, subcommand("push")]
)

PLAIN = {"•": "*", "…": "...", "—": "-", "─": "-", "━": "-", "│": "|"}
"""What is written for a character that the terminal's encoding lacks; others are escaped."""

CLOSED = 141
"""The exit code if what reads the output has gone: that of a program that the signal ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: its words; if None, those of the process.

    Returns:
        The exit code: 0, 1 for an error of ours, 130 for Ctrl-C, 141 if nobody reads the output.
        Usage errors exit with 2.
    """
    # A user's "module:callable" may lie in the folder where they work, as for `python -m`.
    sys.path.append(str(Path.cwd()))
    _write_in_any_encoding()
    try:
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return CLOSED
    except OSError as error:
        _drop_output()
        _complain(f"Cannot write to the standard output: {error}. Free space, or write elsewhere.")
        return 1


def parse(argv: Sequence[str]) -> Any:
    """Read one command and its options; the arguments are those of `main`.

    Raises:
        ParameterError: if a value is empty or out of bounds.
    """
    if any(not word or word.endswith("=") for word in argv):
        raise ParameterError(
            f"Got an empty value in {' '.join(map(repr, argv))}, expected something."
        )
    command = tyro.cli(
        Command,
        prog="learned-envs",
        description="Learned simulators of MuJoCo systems behind the Gymnasium interface.",
        args=argv,
        config=(
            tyro.conf.OmitSubcommandPrefixes,
            tyro.conf.OmitArgPrefixes,
            tyro.conf.CascadeSubcommandArgs,
        ),
    )
    check(command)
    if isinstance(command, Fit):
        words = {word.partition("=")[0] for word in argv if word.startswith("--")}
        names = {word[2:].replace("-", "_").removeprefix("no_") for word in words}
        # The one setting that has no name on the command line.
        positional = {"family"} if command.family in argv else set()
        command = replace(command, typed=frozenset(names | positional))
    return command


def _run(argv: Sequence[str]) -> int:
    command: Any = None
    try:
        command = parse(argv)
        with warnings.catch_warnings():
            warnings.showwarning = partial(_show, warnings.showwarning)
            return command.run() or 0
    except LearnedEnvsError as error:
        _complain(str(error))
        return 1
    except BrokenPipeError:
        # Only the standard output can be: what processes say to each other has errors of its own.
        raise
    except OSError as error:
        where = "" if error.filename else "Cannot read or write the output or a temporary file: "
        _complain(f"{where}{error}. Free space, or give a path that can be used.")
        return 1
    except KeyboardInterrupt:
        _complain(f"Interrupted. {getattr(command, 'interrupted', '')}")
        return 130


def _complain(text: str) -> None:
    """Write an error on stderr, in one line."""
    print("learned-envs:", *text.split(), file=sys.stderr)


def _show(others: Any, message: Warning | str, category: type[Warning], *where: Any) -> None:
    """Write a warning of ours in one line; those of libraries look as they always do."""
    if issubclass(category, RebuiltDataWarning | CachedModelWarning):
        _complain(f"warning: {message}")
    else:
        others(message, category, *where)


def _write_in_any_encoding() -> None:
    """Let nothing that is printed fail because the terminal's encoding lacks a character."""

    def plain(error: UnicodeError) -> tuple[str | bytes, int]:
        if isinstance(error, UnicodeEncodeError) and error.object[error.start] in PLAIN:
            return PLAIN[error.object[error.start]], error.start + 1
        return codecs.backslashreplace_errors(error)

    codecs.register_error("plain", plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plain")


def _drop_output() -> None:
    """Give up what is left to print, so that Python does not try once more when it ends."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
