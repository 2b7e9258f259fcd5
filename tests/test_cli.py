"""The command line, as a user types it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import pytest

import learned_envs
from learned_envs.cli import main, parse
from learned_envs.fit import Dataset
from learned_envs.fit import training as training_module

SMALL = [
    *("--steps", "3000", "--learners", "0", "--updates", "20", "--check-every", "10"),
    *("--batch-size", "32", "--members", "2", "--horizons", "1", "2", "--device", "cpu"),
    *("--option", "hidden=16,16", "substeps=1"),
    "--no-report",
]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "runs" / "pendulum"
    assert main(["fit", "InvertedPendulum", "--out", str(out), *SMALL]) == 0
    return out


class TestFit:
    def test_leaves_what_the_environment_loads(self, fitted):
        names = {"model.safetensors", "training.safetensors", "fit.json", "data", "curves"}
        assert names | {"errors.png"} == {path.name for path in fitted.iterdir()}
        gym.register_envs(learned_envs)
        env = gym.make("LearnedSim-InvertedPendulum-v0", checkpoint=str(fitted))
        env.reset(seed=0)
        _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert reward == 1.0
        assert (terminated, truncated) == (False, False)
        env.close()

    def test_prints_the_report_and_how_to_go_on(self, fitted, tmp_path, capsys):
        out = tmp_path / "again"
        data = ["--data", str(fitted / "data"), "--from", str(fitted), "--updates", "5"]
        assert main(["fit", "InvertedPendulum", "--out", str(out), "--device", "cpu", *data]) == 0
        printed = capsys.readouterr().out
        assert "standardised squared error" in printed
        assert f'gym.make("LearnedSim-InvertedPendulum-v0", checkpoint="{out}")' in printed

    def test_options_are_read_by_type(self, fitted):
        stored = json.loads((fitted / "fit.json").read_text())["config"]
        assert stored["options"] == {"hidden": [16, 16], "substeps": 1}
        assert (stored["steps"], stored["training"]["horizons"]) == (3000, [1, 2])

    def test_ctrl_c_says_how_to_resume(self, fitted, tmp_path, capsys, monkeypatch):
        advance = training_module.Training.advance

        def interrupted(self):
            if self.update == 7:
                raise KeyboardInterrupt
            return advance(self)

        out = tmp_path / "run"
        words = ["fit", "InvertedPendulum", "--out", str(out), "--device", "cpu"]
        with monkeypatch.context() as patch:
            patch.setattr(training_module.Training, "advance", interrupted)
            assert main([*words, *SMALL]) == 130
        *_, error = capsys.readouterr().err.strip().splitlines()
        assert error.startswith("learned-envs: Interrupted.")
        command = f"learned-envs fit InvertedPendulum --out {out} --resume"
        assert command in error
        assert main(command.split()[1:]) == 0
        assert (out / "model.safetensors").read_bytes() == (
            fitted / "model.safetensors"
        ).read_bytes()

    @pytest.mark.skipif(sys.platform == "win32", reason="signals are sent to a POSIX process")
    def test_a_real_ctrl_c(self, tmp_path):
        out = tmp_path / "run"
        # A process that was started in the background is deaf to Ctrl-C.
        hear = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        code = f"{hear}; import sys; from learned_envs.cli import main; sys.exit(main())"
        endless = ["--updates", "1000000", "--patience", "1000000"]
        words = ["fit", "InvertedPendulum", "--out", out, *SMALL, *endless]
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, words)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        deadline = time.monotonic() + 240
        while not (out / "model.safetensors").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=240)
        assert process.returncode == 130
        assert "--resume" in error
        assert "Traceback" not in error
        assert (out / "training.safetensors").exists()


class TestCollect:
    def test_and_go_on(self, tmp_path, capsys):
        out = tmp_path / "data"
        words = ["collect", "Hopper", "--out", str(out), "--steps", "400", "--learners", "0"]
        for _ in range(2):
            assert main(words) == 0
            assert "400 steps in" in capsys.readouterr().out
        assert Dataset.open(out, "Hopper").actors == {"random": 400}


class TestEvaluate:
    def test_a_fit_on_what_it_held_out(self, fitted, tmp_path, capsys):
        plot = tmp_path / "p.png"
        words = ["evaluate", str(fitted), "--plot", str(plot), "--trajectories", "50"]
        assert main(words) == 0
        printed = capsys.readouterr().out
        assert "hold" in printed
        assert "held out" in printed
        assert plot.read_bytes().startswith(b"\x89PNG")

    def test_weights_alone(self, fitted, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        shutil.copy(fitted / "model.safetensors", "w.safetensors")
        assert main(["evaluate", "w.safetensors"]) == 0
        assert "the card's own; pass --data" in capsys.readouterr().out
        data = str(fitted / "data")
        assert main(["evaluate", "w.safetensors", "--data", data, "--trajectories", "9"]) == 0
        assert "of 9 held-out trajectories" in " ".join(capsys.readouterr().out.split())
        assert Path("errors.png").exists()


def test_info_shows_the_card(fitted, capsys):
    assert main(["info", str(fitted)]) == 0
    printed = capsys.readouterr().out
    for shown in ("InvertedPendulum-v5", "second_order", "3000", "sha256", "hidden [16, 16]"):
        assert shown in printed


def test_list_shows_tasks_and_families(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    # Those with weights come first, and those of one kind without share a row.
    assert printed.index("HalfCheetah") < printed.index("Pendulum-1 to -4")
    assert "ChainPendulum-2" not in printed
    for shown in ("LearnedSim-Hopper-v0", "InvertedPendulum", "second_order", "residual_mlp"):
        assert shown in printed


def test_export_minari(fitted, tmp_path, capsys, fails):
    minari = pytest.importorskip("minari")
    out = tmp_path / "pendulum-v0"
    words = ["export-minari", str(fitted / "data"), "--out", str(out)]
    assert main(words) == 0
    assert minari.MinariDataset(out / "data").total_steps == 3000
    assert "exists already" in fails(*words)


class TestErrors:
    def test_unknown_names(self, fails, tmp_path):
        out = ("--out", tmp_path / "run")
        assert "Did you mean 'Hopper'" in fails("fit", "Hoper", *out)
        assert "Did you mean 'Hopper'" in fails("collect", "Hoper", *out, "--steps", 9)
        assert "Did you mean 'residual_mlp'" in fails("fit", "Hopper", "residul_mlp", *out)
        assert "Did you mean 'LearnedSim-Hopper-v0'" in fails("info", "LearnedSim-Hoper-v0")
        assert "Did you mean 'Hopper'" in fails("evaluate", "Hoper")
        assert not (tmp_path / "run").exists()

    def test_out_exists(self, fails, fitted):
        before = (fitted / "model.safetensors").read_bytes()
        assert "--resume" in fails("fit", "InvertedPendulum", "--out", fitted, *SMALL)
        assert (fitted / "model.safetensors").read_bytes() == before

    def test_out_cannot_be_written_to(self, fails, tmp_path):
        (tmp_path / "file").write_text("mine")
        for out in (tmp_path / "file", tmp_path / "file" / "below"):
            fails("fit", "InvertedPendulum", "--out", out, *SMALL)
            fails("collect", "Hopper", "--out", out, "--steps", 9, "--learners", 0)
        if os.getuid():  # root may write anywhere
            (tmp_path / "closed").mkdir(mode=0o500)
            assert "Cannot write" in fails(
                "fit", "InvertedPendulum", "--out", tmp_path / "closed" / "run", *SMALL
            )

    def test_a_resume_with_other_settings(self, fails, fitted):
        resume = ["fit", "InvertedPendulum", "--out", fitted, "--device", "cpu", "--resume"]
        other = ["--updates", "800", "--option", "substeps=2", "--horizons", "1", "4"]
        error = fails(*resume, *other)
        for named in (
            "updates=800 (begun with 20)",
            "substeps=2 (begun with 1)",
            "horizons=(1, 4)",
        ):
            assert named in error
        assert f"--from {fitted}" in error
        assert "family='residual_mlp'" in fails(*resume[:2], "residual_mlp", *resume[2:])
        assert main([str(word) for word in [*resume, *SMALL]]) == 0

    def test_nothing_to_resume(self, fails, tmp_path):
        error = fails("fit", "Hopper", "--out", tmp_path / "none", "--resume")
        assert "nothing to resume" in error

    def test_a_corrupt_checkpoint(self, fails, fitted, tmp_path):
        data = bytearray((fitted / "model.safetensors").read_bytes())
        data[-1] ^= 1
        (tmp_path / "w.safetensors").write_bytes(data)
        data = ("--data", fitted / "data")
        for words in (["evaluate", tmp_path / "w.safetensors", *data],):
            assert "checksum" in fails(*words)
        start = ("--from", tmp_path / "w.safetensors", "--out", tmp_path / "run")
        assert "checksum" in fails("fit", "InvertedPendulum", *data, *start, "--device", "cpu")
        (tmp_path / "w.safetensors").write_bytes(b"nonsense")
        assert "not a readable checkpoint" in fails("info", tmp_path / "w.safetensors")

    @pytest.mark.parametrize(
        "words", [["--updates", "0"], ["--option", "hidden"], ["--option", "hidden=wide"]]
    )
    def test_settings(self, fails, tmp_path, words):
        assert "xpected" in fails("fit", "InvertedPendulum", "--out", tmp_path / "run", *words)
        assert not (tmp_path / "run").exists()

    def test_a_dataset_of_another_task(self, fails, fitted, tmp_path):
        words = ("--data", fitted / "data", "--out", tmp_path / "run")
        assert "expected one of Hopper" in fails("fit", "Hopper", *words)


def test_an_option_that_is_given_again_adds_to_those_before():
    words = ["fit", "Hopper", "--option", "hidden=8,8", "--option", "substeps=2"]
    assert parse(words).option == (("hidden=8,8",), ("substeps=2",))
