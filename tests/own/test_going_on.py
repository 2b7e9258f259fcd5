"""A fit of a user's environment goes on after a kill, unless the environment's code has changed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from leg import LEG
from users import users_module

from learned_envs.card import read_card
from learned_envs.cli import main
from learned_envs.errors import ParameterError
from learned_envs.fit import Dataset, FitConfig, TrainingConfig, fit
from learned_envs.fit.observer import Observer
from learned_envs.fit.training import Progress

TASK = "my_changing_leg:ChangingLeg-v0"

TRAINING = TrainingConfig(members=2, updates=30, check_every=10, batch_size=32, horizons=(2,))

CONFIG = FitConfig(steps=3000, options={"hidden": (8,)}, training=TRAINING)


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's module, that a test may change."""
    folder = tmp_path_factory.mktemp("users")
    with users_module(folder, "my_changing_leg", LEG.replace("Leg-v0", "ChangingLeg-v0")) as name:
        yield folder / f"{name}.py"


@pytest.fixture(scope="module")
def begun(module: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fit that was killed after 10 updates."""
    folder = tmp_path_factory.mktemp("runs") / "leg"

    def kill(progress: Progress, _: TrainingConfig) -> None:
        if progress.update == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(TASK, folder, CONFIG, device="cpu", observer=Observer(trained=kill))
    return folder


def test_it_is_refused_where_the_code_has_changed(
    module: Path, begun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = module.read_text()
    changed = text.replace("touch_reward=0.5", "touch_reward=0.25")
    assert changed != text
    module.write_text(changed)
    monkeypatch.delitem(sys.modules, "my_changing_leg")
    try:
        with pytest.raises(
            ParameterError, match=r"has changed since .*: the module my_changing_leg"
        ):
            fit(TASK, begun, resume=True)
    finally:
        module.write_text(text)


def test_another_task_is_refused(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", TASK, "--env-kwargs", "noise=0.1"]
    assert main([*words, "--out", str(begun), "--resume"]) == 1
    assert "noise" in capsys.readouterr().err


def test_what_was_recorded_is_kept(begun: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (begun / "data").rglob("*.safetensors")}
    assert before
    assert main(["fit", TASK, "--out", str(begun), "--resume"]) == 0
    after = {path: path.stat().st_mtime_ns for path in (begun / "data").rglob("*.safetensors")}
    assert before == after
    card = read_card(begun)
    assert card.data is not None
    assert card.data.sha256 == Dataset.open(begun / "data").digest
    assert card.held_out is not None
