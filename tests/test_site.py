"""The site's pages are made of what lies here, and its navigation names pages that are made."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("zensical", reason="needs the extra docs")
yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
SITE = ROOT / "docs" / "site"
SHIPPED = sorted(path.stem for path in (ROOT / "learned_envs/weights").glob("*.safetensors"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "pages"
    done = subprocess.run(
        [sys.executable, SITE / "make_pages.py", out], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def named(entries):
    """Return all files that a navigation names."""
    for entry in entries:
        for value in entry.values():
            yield from [value] if isinstance(value, str) else named(value)


class TestPages:
    def test_every_shipped_task_has_one(self, pages):
        titles = {path.read_text().partition("\n")[0] for path in (pages / "tasks").glob("*.md")}
        assert titles == {"# Tasks", *(f"# {task}" for task in SHIPPED)}

    def test_a_task_page_says_what_its_card_says(self, pages):
        text = (pages / "tasks/hopper.md").read_text(encoding="utf-8")
        assert 'gym.make("LearnedSim-Hopper-v0")' in text
        for heading in ("Spaces", "Parameters", "Errors over the horizon", "Transfer", "Limits"):
            assert f"\n## {heading}\n" in text
        assert "| `healthy_z_range` | `(0.7, inf)` |" in text

    def test_the_navigation_names_all_pages_and_no_others(self, pages):
        settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
        made = {path.relative_to(pages).as_posix() for path in pages.rglob("*.md")}
        # Files that pages lead to are not in it.
        assert {*named(settings["nav"])} == {name for name in made if not name.startswith("files/")}

    def test_no_section_is_left_to_be_included(self, pages):
        for path in pages.rglob("*.md"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r'\]\([^)]+ "include', text), path

    def test_the_picture_of_the_rooms_has_them(self, pages):
        text = (pages / "how_it_works.md").read_text(encoding="utf-8")
        drawn = {*re.findall(r"<text [^>]+>([\w./]+)</text>", text)}
        assert {"systems/", "fit/", "simulation.py", "report/"} <= drawn

    def test_the_code_of_the_first_page_runs(self):
        text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
        (code,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
        assert "num_envs=1024" in code
        exec(compile(code.replace("num_envs=1024", "num_envs=8"), "index.md", "exec"), {})


class TestCheck:
    def check(self, folder):
        return subprocess.run(
            [sys.executable, SITE / "check_site.py", folder], capture_output=True, text=True
        )

    def test_finds_what_leads_nowhere_and_what_is_fetched(self, tmp_path):
        (tmp_path / "there.html").write_text('<h1 id="top">There</h1>')
        (tmp_path / "index.html").write_text(
            '<a href="there.html#top"></a><a href="there.html#bottom"></a><a href="gone.html"></a>'
            '<a href="https://example.org"></a><script src="https://example.org/a.js"></script>'
        )
        done = self.check(tmp_path)
        assert done.returncode == 1
        assert [line for line in done.stdout.splitlines() if line.startswith("FAULT")] == [
            "FAULT: index.html fetches https://example.org/a.js",
            "FAULT: index.html leads to gone.html, which is not there",
            "FAULT: index.html leads to there.html#bottom, which is not there",
        ]

    def test_is_content_with_a_whole_site(self, tmp_path):
        (tmp_path / "index.html").write_text('<h1 id="top"><a href="#top"></a></h1>')
        assert self.check(tmp_path).returncode == 0
