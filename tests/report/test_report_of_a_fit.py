"""The report of a fit: it says what is there, and its page loads nothing."""

import itertools
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from learned_envs.card import read_card
from learned_envs.cli import main
from learned_envs.envs import render
from learned_envs.fit import training as training_module
from learned_envs.fit.round import Round, write_history
from learned_envs.report.asked import Asked
from learned_envs.report.page import figure
from learned_envs.report.write import write_report

SMALL = [
    *("--steps", "3000", "--learners", "0", "--updates", "20", "--check-every", "10"),
    *("--batch-size", "32", "--members", "2", "--horizons", "1", "2", "--device", "cpu"),
    *("--option", "hidden=16,16", "substeps=1"),
]

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

LIMIT = 12_000_000
"""Bytes of a page."""


class Elements(HTMLParser):
    """What a page consists of."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "pendulum"
    assert main(["fit", "InvertedPendulum", "--out", str(out), *SMALL]) == 0
    return out


@pytest.fixture(scope="module")
def page(fitted):
    return (fitted / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def figures(fitted):
    return json.loads((fitted / "report.json").read_text())


def copied(fitted, tmp_path):
    return Path(shutil.copytree(fitted, tmp_path / "run"))


class TestPage:
    def test_is_small_and_loads_nothing(self, page):
        assert len(page.encode()) < LIMIT
        elements = Elements(page)
        for _, attributes in elements.found:
            for name in ("src", "href", "srcset", "data", "action", "poster"):
                assert (attributes.get(name) or "#").startswith(("#", "data:"))
        (policy,) = [m["content"] for m in elements.of("meta") if m.get("http-equiv")]
        assert "default-src 'none'" in policy
        assert "http" not in policy
        styles = re.findall(r"<style>.*?</style>", page, re.DOTALL)
        assert not re.search(r"url\(|@import", styles[0])

    def test_can_be_read_by_everybody(self, page):
        elements = Elements(page)
        assert elements.of("html")[0]["lang"] == "en"
        assert any(meta.get("name") == "viewport" for meta in elements.of("meta"))
        assert elements.of("a")[0] == {"class": "skip", "href": "#content"}
        assert all(cell.get("scope") for cell in elements.of("th"))
        assert all(image.get("alt") for image in elements.of("img"))
        assert "prefers-color-scheme: dark" in page
        levels = [int(tag[1]) for tag, _ in elements.found if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
        ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
        assert len({*ids}) == len(ids)
        links = [link["href"][1:] for link in elements.of("a")]
        assert {*links} <= {*ids}

    def test_every_plot_has_its_data(self, page):
        plots = re.findall(r'id="plot-([\w-]+)"', page)
        assert {"errors-0", "channels", "trust", "coverage", "held-out"} <= {*plots}
        for name in plots:
            found = re.search(rf'id="data-{name}">(.*?)</script>', page, re.DOTALL)
            assert json.loads(found[1])["data"]

    @pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
    def test_draws_every_plot_without_an_error_in_a_browser(self, page, fitted, tmp_path):
        done = subprocess.run(
            [
                *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
                *("--enable-logging=stderr", "--virtual-time-budget=10000"),
                *(f"--user-data-dir={tmp_path}", (fitted / "report.html").as_uri()),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "CONSOLE" not in done.stderr
        plots = len(re.findall(r'id="plot-', page))
        # Each plot has two of them: what is drawn, and what hovers above it.
        assert done.stdout.count('class="main-svg"') >= 2 * plots

    def test_has_the_figures_of_its_json(self, page, figures, fitted):
        card = read_card(fitted)
        held = figures["errors"][0]["errors"]
        for index, curve in enumerate(card.held_out.curves):
            assert held["curves"][index]["median"] == list(curve.median)
            for value in curve.median:
                assert f"<td>{figure(value)} (" in page
        for verdict in figures["verdicts"]:
            assert verdict["answer"] in page
        channels = figures["channels"]
        assert channels["names"] == ["slider", "hinge", "slider velocity", "hinge velocity"]
        assert channels["units"] == ["m", "rad", "m/s", "rad/s"]
        for row in channels["model"]:
            assert all(f"<td>{figure(value)} (" in page for value in row)
        worst = figures["windows"]["places"][figures["windows"]["worst"][0]]
        assert worst["error"] == max(p["error"] for p in figures["windows"]["places"])
        assert f"<td>{figure(worst['error'])}</td>" in page
        assert sum(figures["sources"].values()) == 3000
        assert f"checkpoint=&#34;{fitted}&#34;" in page

    def test_counts_each_learned_state_once(self, figures):
        states = sum(map(sum, figures["coverage"]["states"]))
        held = {place["episode"] for place in figures["windows"]["places"]}
        assert 3000 * 0.5 < states <= 3000 + 3000  # a state more than steps, in each episode
        assert held


class TestWhatThereIs:
    def test_no_report_if_none_is_wanted(self, fitted, tmp_path, capsys):
        data = ["--data", str(fitted / "data"), "--no-report"]
        out = tmp_path / "run"
        assert main(["fit", "InvertedPendulum", "--out", str(out), *SMALL, *data]) == 0
        assert "report.html" not in capsys.readouterr().out
        assert not [*out.glob("report*")]

    def test_a_training_that_diverges_gets_one_that_says_so(
        self, fitted, tmp_path, monkeypatch, capsys
    ):
        monkeypatch.setattr(training_module.Training, "advance", diverged)
        out = tmp_path / "run"
        data = ["--data", str(fitted / "data")]
        assert main(["fit", "InvertedPendulum", "--out", str(out), *SMALL, *data]) == 1
        said = json.loads((out / "report.json").read_text())
        assert said["condition"] == "broken"
        assert "the loss is nan" in said["told"]
        assert "the loss is nan" in capsys.readouterr().err

    def test_a_run_without_a_model(self, fitted, tmp_path, capsys):
        run = copied(fitted, tmp_path)
        (run / "model.safetensors").unlink()
        assert main(["report", str(run), "--out", str(tmp_path / "there.html")]) == 0
        assert "wrote" in capsys.readouterr().out
        said = json.loads((tmp_path / "there.json").read_text())
        assert said["condition"] == "unfinished"
        assert "3,000 real steps were recorded" in said["told"]
        assert "--resume" in said["told"]
        assert "Unfinished." in (tmp_path / "there.html").read_text(encoding="utf-8")

    @pytest.mark.parametrize("name", ["model.safetensors", "fit.json"])
    def test_a_broken_run(self, fitted, tmp_path, name):
        run = copied(fitted, tmp_path)
        if name == "fit.json":
            (run / "model.safetensors").unlink()
        (run / name).write_bytes(b"nothing of use")
        write_report(Asked(run))
        said = json.loads((run / "report.json").read_text())
        assert said["condition"] == "broken"
        assert name in said["told"]

    def test_data_that_is_gone_is_left_out_with_a_line(self, fitted, tmp_path):
        run = copied(fitted, tmp_path)
        shutil.rmtree(run / "data")
        write_report(Asked(run))
        said = json.loads((run / "report.json").read_text())
        assert said["condition"] == "finished"
        assert said["channels"] is None
        assert said["errors"]
        (lacks,) = said["left_out"]
        assert lacks.startswith("Nothing was measured anew")

    def test_rounds(self, fitted, tmp_path):
        run = copied(fitted, tmp_path)
        shutil.rmtree(run / "data")
        rounds = [
            Round(1, 1000, 0.5, 90.0, 40.0, 3, 1.0),
            Round(2, 2000, 0.2, 105.0, 100.0, 3, 1.0),
        ]
        write_history(run, rounds)
        write_report(Asked(run))
        said = json.loads((run / "report.json").read_text())
        assert [each["gap"] for each in said["rounds"]] == [each.gap for each in rounds]
        (train,) = [v for v in said["verdicts"] if v["purpose"] == "Train agents inside"]
        expected = "yes" if said["errors"] and read_card(run).beats_hold else "no"
        assert train["answer"] == expected
        assert 'id="plot-rounds"' in (run / "report.html").read_text(encoding="utf-8")

    def test_without_a_library_that_draws(self, fitted, tmp_path, monkeypatch):
        def missing(name):
            raise OSError(name)

        monkeypatch.delenv("MUJOCO_GL", raising=False)
        monkeypatch.setattr(render, "_has_display", lambda: False)
        monkeypatch.setattr(render.ctypes, "CDLL", missing)
        monkeypatch.setattr(render.sys, "platform", "linux")
        run = copied(fitted, tmp_path)
        write_report(Asked(run))
        said = json.loads((run / "report.json").read_text())
        assert said["channels"]
        assert not said["films"]
        (lacks,) = said["left_out"]
        assert lacks.startswith("There are no moving pictures: ")

    def test_a_folder_that_is_no_run(self, tmp_path, fails):
        error = fails("report", tmp_path)
        assert "is no fit's folder" in error
        assert not [*tmp_path.iterdir()]

    def test_shipped_weights(self, tmp_path):
        write_report(Asked("Hopper"), tmp_path / "hopper.html")
        said = json.loads((tmp_path / "hopper.json").read_text())
        assert said["use"][-1] == 'env = gym.make("LearnedSim-Hopper-v0")'
        assert [each["answer"] for each in said["verdicts"]].count("not known") == 0

    def test_side_by_side(self, fitted, tmp_path, capsys, fails):
        out = tmp_path / "both.json"
        assert main(["compare", str(fitted), "Hopper", "--out", str(out)]) == 0
        printed = capsys.readouterr()
        said = json.loads(out.read_text())
        assert list(said) == [str(fitted), "Hopper"]
        assert (
            figure(said["Hopper"]["errors"][0]["errors"]["curves"][1]["median"][0]) in printed.out
        )
        assert "several systems" in printed.err
        assert "runs" in fails("compare", "Hopper")

    def test_other_refusals(self, fitted, tmp_path, fails):
        assert "ends in .html" in fails("report", fitted, "--out", tmp_path / "there.pdf")
        assert "There is no checkpoint" in fails("report", tmp_path / "nowhere")


def diverged(self):
    self._expect_finite(float("nan"), "the loss")
