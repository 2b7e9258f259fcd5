"""What the command line says of itself, and of words that it cannot take."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from learned_envs.cli import main

COMMANDS = (
    "list",
    "demo",
    "fit",
    "collect",
    "evaluate",
    "info",
    "report",
    "compare",
    "export-minari",
    "pack",
    "push",
)


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_of_every_command(self, command, capsys):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        assert f"usage: learned-envs {command}" in capsys.readouterr().out

    def test_rounds_are_asked_for_by_their_number(self, capsys):
        with pytest.raises(SystemExit):
            main(["fit", "--help"])
        printed = capsys.readouterr().out
        assert "--rounds INT" in printed
        assert "--count" not in printed

    def test_imports_no_torch_and_is_fast(self):
        code = (
            "import sys, time, gymnasium\n"
            "began = time.process_time()\n"
            "from learned_envs.cli import main\n"
            "for command in sys.argv[1:]:\n"
            "    try: main([command, '--help'])\n"
            "    except SystemExit: pass\n"
            "    assert not {'torch', 'mujoco', 'stable_baselines3'} & set(sys.modules), command\n"
            "print(time.process_time() - began, file=sys.stderr)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *COMMANDS], capture_output=True, text=True, check=True
        )
        # Measured: 0.4 s of processor time for all seven beside gymnasium's own import; torch
        # alone takes 1 s or more.
        assert float(done.stderr) < 1.0

    @pytest.mark.parametrize("words", [[], ["fly"], ["fit"], ["fit", "Hopper", "--wings", "2"]])
    def test_wrong_usage_exits_with_2(self, words, capsys):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert "learned-envs" in capsys.readouterr().err


class TestOutput:
    """What is printed arrives, or the command says that it did not."""

    @staticmethod
    def run(words, **changes):
        code = "import sys; from learned_envs.cli import main; sys.exit(main())"
        path = os.pathsep.join(filter(None, sys.path))
        environment = {**os.environ, "PYTHONPATH": path, **changes.pop("environment", {})}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-c", code, *words],
            **{"stdout": pipe, "stderr": pipe, "env": environment, **changes},
        )

    @pytest.mark.parametrize("words", [["--help"], ["fit", "--help"], ["list"]])
    def test_in_any_encoding(self, words):
        for encoding in ("ascii", "cp1252"):
            process = self.run(words, environment={"PYTHONIOENCODING": encoding})
            printed, error = process.communicate()
            assert (process.returncode, error) == (0, b"")
            assert b"\\u" not in printed
            printed.decode(encoding)

    @pytest.mark.parametrize("words", [["--help"], ["list"], ["info", "Hopper"]])
    def test_ends_quietly_where_nobody_reads_it(self, words):
        process = self.run(words)
        process.stdout.close()
        assert process.stderr.read() == b""
        # Rich ends with 1.
        assert process.wait() in (1, 141)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
    def test_that_cannot_be_written_is_an_error_with_what_to_do(self):
        with Path("/dev/full").open("wb") as full:
            process = self.run(["list"], stdout=full)
            error = process.communicate()[1].decode()
        assert process.returncode == 1
        assert len(error.splitlines()) == 1
        assert "Cannot" in error
        assert "Free space" in error


class TestNumbers:
    """All that are out of bounds are refused before anything is made."""

    @pytest.fixture(autouse=True)
    def nothing_made(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        yield
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        "words",
        [
            ["demo", "--steps", "-1"],
            ["demo", "--seed", "-1"],
            ["collect", "Hopper", "--out", "d", "--steps", "0"],
            ["collect", "Hopper", "--out", "d", "--steps", "9", "--learners", "-1"],
            ["collect", "Hopper", "--out", "d", "--steps", "9", "--planners", "1000000"],
            ["collect", "Hopper", "--out", "d", "--steps", "2"],
            ["collect", "ChainPendulum-1", "--out", "d", "--steps", "99", "--planners", "1"],
            ["evaluate", "Hopper", "--trajectories", "0"],
            ["evaluate", "Hopper", "--plot", "picture.xyz"],
            ["info", ""],
            ["fit", "Hopper", "--out="],
            ["fit", "Hopper", "--steps", "-1"],
            ["fit", "Hopper", "--updates", "0"],
            ["fit", "Hopper", "--learning-rate", "inf"],
            ["fit", "Hopper", "--learning-rate", "nan"],
            ["fit", "Hopper", "--weight-decay", "-1"],
            ["fit", "Hopper", "--horizons", "2", "0"],
            ["fit", "Hopper", "--seed", "9999999999"],
            ["fit", "Hopper", "--members", "1000000"],
            ["fit", "Hopper", "--members", "1000", "--option", "hidden=16000,16000"],
            ["fit", "Hopper", "--option", "hidden=0,0"],
            ["fit", "Hopper", "--option", "hidden=-1,3"],
            ["fit", "Hopper", "--option", "hidden=1e400,3"],
            ["fit", "Hopper", "--option", "substeps=1000000"],
            ["fit", "Hopper", "--option", "substeps=NaN"],
            ["fit", "Hopper", "--option", "contact_geometry=2"],
            ["fit", "Hopper", "--option", f"hidden={'[' * 3000}"],
            ["fit", "Hopper", "--rounds", "-1"],
            ["fit", "Hopper", "--rounds", "2", "--penalty", "inf"],
            ["fit", "Hopper", "--rounds", "2", "--members", "1"],
        ],
        ids=" ".join,
    )
    def test_in_one_line(self, fails, words):
        assert re.search(r"Got|expected", fails(*words))
