"""The command line: parse, call, and turn errors into exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import subcommand

from learned_envs.commands import Collect, Demo, Evaluate, ExportMinari, Fit, Info, List
from learned_envs.errors import LearnedEnvsError

Command = (
    Annotated[List, subcommand("list")]
    | Annotated[Demo, subcommand("demo")]
    | Annotated[Fit, subcommand("fit")]
    | Annotated[Collect, subcommand("collect")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Info, subcommand("info")]
    | Annotated[ExportMinari, subcommand("export-minari")]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: its words; if None, those of the process.

    Returns:
        The exit code: 0, 1 for an error of ours, 130 for Ctrl-C. Usage errors exit with 2.
    """
    # A user's "module:callable" may lie in the folder where they work, as for `python -m`.
    sys.path.append(str(Path.cwd()))
    command: Any = None
    try:
        command = parse(argv)
        command.run()
    except (LearnedEnvsError, OSError) as error:
        print(f"learned-envs: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", getattr(command, "interrupted", ""), file=sys.stderr)
        return 130
    return 0


def parse(argv: Sequence[str] | None = None) -> Any:
    """Read one command and its options; the arguments are those of `main`."""
    return tyro.cli(
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
