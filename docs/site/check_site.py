"""Check the built site: its links lead somewhere, it fetches nothing, and it is small.

python docs/site/check_site.py FOLDER
"""

from __future__ import annotations

import argparse
import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

PICTURES = {".png", ".gif", ".webp", ".svg", ".mp4", ".ico"}

MOST_BYTES = 5_000_000
"""Of all files but pictures."""

FETCHING = {
    ("link", "href"),
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("video", "src"),
}
"""What a browser asks for by itself."""

NOT_FETCHED = {"canonical", "alternate", "next", "prev", "edit"}
"""Kinds of links in a page's head that are only told."""


class Page(HTMLParser):
    """What a page leads to, what it fetches, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag has."""
        given = {name: value or "" for name, value in attrs}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        for name in ("href", "src"):
            if name in given and tag != "base":
                self.links.append(given[name])
                told = given.get("rel", "") in NOT_FETCHED
                if (tag, name) in FETCHING and not told:
                    self.fetched.append(given[name])


def faults_of(folder: Path) -> list[str]:
    """Return what is wrong with a built site, a sentence each."""
    pages = {
        path.relative_to(folder).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in folder.rglob("*.html")
    }
    faults = []
    for name, page in sorted(pages.items()):
        outside = [link for link in page.fetched if urlsplit(link).netloc]
        faults += [f"{name} fetches {link}" for link in outside]
        faults += [
            f"{name} leads to {link}, which is not there"
            for link in sorted(set(page.links))
            if not leads_somewhere(link, name, folder, pages)
        ]
    for style in folder.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        fetched = re.findall(r"""(?:url\(|@import )['"]?(https?:[^'")]+)""", text)
        faults += [f"{style.relative_to(folder)} fetches {link}" for link in fetched]
    if (size := weight(folder)) > MOST_BYTES:
        faults.append(f"the site has {size:,} bytes without pictures, expected {MOST_BYTES:,}")
    return faults


def leads_somewhere(link: str, name: str, folder: Path, pages: dict[str, Page]) -> bool:
    """Return whether a link leads out of the site, or to a file and an anchor that are there."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    # The page for what is not found is shown at any address, so its links begin at the root.
    here = name if parts.path == "" else unquote(parts.path)
    if parts.path:
        base = "" if parts.path.startswith("/") else posixpath.dirname(name)
        here = posixpath.normpath(posixpath.join(base, here.lstrip("/")))
    if (folder / here).is_dir():
        here = posixpath.normpath(posixpath.join(here, "index.html"))
    if here not in pages:
        return (folder / here).is_file()
    return (
        parts.fragment in {"", "__top", *pages[here].anchors}
        or unquote(parts.fragment) in pages[here].anchors
    )


def weight(folder: Path) -> int:
    """Return the bytes of all files but pictures."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if path.suffix not in PICTURES)


def main() -> int:
    """Check, print what is wrong and how large the site is, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    faults = faults_of(folder)
    for fault in faults:
        print(f"FAULT: {fault}")
    count = len([*folder.rglob("*.html")])
    print(f"{count} pages, {weight(folder) / 1e6:.1f} MB without pictures")
    return bool(faults)


if __name__ == "__main__":
    raise SystemExit(main())
