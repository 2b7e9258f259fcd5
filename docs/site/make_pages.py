"""Make the pages of the site: those that lie in the repository, and those made from cards and code.

python docs/site/make_pages.py FOLDER
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from api_pages import PUBLIC, api_page, others_page, page_name
from house import picture
from sources import ROOT, Site, SiteError, file_page, read
from task_pages import file_name, overview, picture_of, shipped_tasks, task_page

OF_THE_ROOT = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")

HOUSE = "<!-- house -->"
"""Where a page has the picture of the rooms."""

LANGUAGES = {".py": "python", ".toml": "toml", ".xml": "xml", ".yml": "yaml", ".md": "markdown"}

MOST_SHOWN = 100_000
"""Bytes of a file that is shown as it is."""


def sources() -> dict[str, str]:
    """Return the page of each file of the repository that becomes one."""
    pages = {path.relative_to(ROOT).as_posix(): path.name for path in (ROOT / "docs").glob("*.md")}
    examples = (ROOT / "examples").glob("*/README.md")
    pages |= {
        path.relative_to(ROOT).as_posix(): f"examples/{path.parent.name}.md" for path in examples
    }
    return {**pages, **{name: name.lower() for name in OF_THE_ROOT}}


def make(out: Path) -> None:
    """Write all pages into a folder, which is made anew.

    Raises:
        SiteError: if a page leads to nothing.
    """
    made = {"tasks/index.md": overview()}
    for task in shipped_tasks():
        made[f"tasks/{file_name(task)}"] = task_page(task)
    for module in PUBLIC:
        made[page_name(module)] = api_page(module)
    made["api/others.md"] = others_page()
    site = Site(sources(), frozenset(made))
    pages = {page: site.page_of(source) for source, page in site.pages.items()} | made
    house = f'<div class="house-frame">{picture()}</div>'
    pages = {page: text.replace(HOUSE, house) for page, text in pages.items()}
    site.pictures.update(filter(None, map(picture_of, shipped_tasks())))
    pages |= {file_page(shown): shown_file(shown) for shown in site.shown}
    if out.exists():
        shutil.rmtree(out)
    for name, text in pages.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (out / "pictures").mkdir(exist_ok=True)
    for shown in site.pictures:
        shutil.copy(ROOT / shown, out / "pictures")
    shutil.copy(ROOT / "docs" / "site" / "style.css", out)


def shown_file(path: str) -> str:
    """Return a page that shows a file of the repository, or the files of a folder of it."""
    found = ROOT / path
    files = [found]
    if found.is_dir():
        files = sorted(each for each in found.iterdir() if each.suffix in LANGUAGES)
    parts = [f"# {path}\n\nAs it lies in the repository."]
    for file in files:
        if found.is_dir():
            parts.append(f"## {file.name}")
        text = read(file.relative_to(ROOT).as_posix())[:MOST_SHOWN].rstrip()
        parts.append(f"~~~~{LANGUAGES.get(file.suffix, 'text')}\n{text}\n~~~~")
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Make them, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    try:
        make(parser.parse_args().folder)
    except SiteError as error:
        print(f"FAULT: {error}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
