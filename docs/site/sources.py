"""The repository's Markdown, made into pages of the site: sections put in, links mended.

A page is a file that a reader of the repository can read as it is. What stands in another file is
not written twice: a link with the title "include" is replaced by the section that it leads to.

    ## [Rounds](../README.md#rounds "include")     the section, under this heading
    [Install](../README.md#install "include")      the section without its heading
    [Install](../README.md#install "include alone")    without the sections below it, too
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]

INCLUDE = re.compile(r'(?:(#+) )?\[([^\]]+)\]\(([^)#]+)#([\w-]+) "include( alone)?"\)')
LINK = re.compile(r"(?:(\[[\w/]+\.md\])|\])\(([^)\s]+)\)")
"""The end of a link, or all of one whose text is a path."""

HEADING = re.compile(r"(#+) (.+)")
FENCE = re.compile(r"\s*(```|~~~)")
PICTURES = (".png", ".gif", ".webp", ".svg", ".mp4")


class SiteError(Exception):
    """The site cannot be made of what lies there; the message says where."""


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and the site make it."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")


def lines_of(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it is part of a block of code."""
    inside = False
    for line in text.splitlines():
        fence = FENCE.match(line) is not None
        yield line, inside or fence
        inside ^= fence


def section(text: str, anchor: str, alone: bool = False) -> tuple[int, list[tuple[str, bool]]]:
    """Return the level of a section's heading, and the lines below that.

    Args:
        text: of the file.
        anchor: of the heading.
        alone: without the sections below it.

    Raises:
        SiteError: if there is no such heading.
    """
    level, found = 0, []
    for line, code in lines_of(text):
        heading = None if code else HEADING.fullmatch(line)
        if heading is not None:
            depth = len(heading[1])
            if level and (alone or depth <= level):
                break
            if not level and slug(heading[2]) == anchor:
                level = depth
                continue
        if level:
            found.append((line, code))
    if not level:
        raise SiteError(f"there is no heading with the anchor #{anchor}")
    return level, found


@dataclass
class Site:
    """All pages that come from files, and where each section of a file stands on the site.

    Attributes:
        pages: by a file's path in the repository, the page's path on the site.
        made: pages that come from no file, such as those of tasks.
        included: by file and anchor, the page and anchor that have the section.
        shown: files of the repository that pages lead to, and that are no pages themselves.
        pictures: files that pages show.
    """

    pages: Mapping[str, str]
    made: frozenset[str] = frozenset()
    included: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)
    pictures: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Find which sections stand on which page."""
        for source, page in self.pages.items():
            heading = ""
            for line, code in lines_of(read(source)):
                if code:
                    continue
                if asked := INCLUDE.fullmatch(line):
                    where = (page, slug(asked[2]) if asked[1] else heading)
                    self._note(joined(source, asked[3]), asked[4], asked[5] is not None, where)
                if (found := HEADING.fullmatch(line)) is not None:
                    heading = slug(found[2])

    def _note(self, source: str, anchor: str, alone: bool, where: tuple[str, str]) -> None:
        self.included[source, anchor] = where
        for line, code in section(read(source), anchor, alone)[1]:
            if not code and (heading := HEADING.fullmatch(line)):
                self.included[source, slug(heading[2])] = (where[0], slug(heading[2]))

    def page_of(self, source: str) -> str:
        """Return the page that a file becomes, as Markdown for the site.

        Raises:
            SiteError: if it leads to a file or a section that is not there.
        """
        try:
            return "\n".join(self._lines(source)) + "\n"
        except SiteError as error:
            raise SiteError(f"{source}: {error}") from None

    def _lines(self, source: str) -> Iterator[str]:
        page, level, left_out = self.pages[source], 1, 0
        for line, code in lines_of(read(source)):
            if not code and (asked := INCLUDE.fullmatch(line)):
                if asked[1]:
                    level = len(asked[1])
                    yield f"{asked[1]} {asked[2]}"
                yield from self._section(joined(source, asked[3]), asked, level, page)
                continue
            heading = None if code else HEADING.fullmatch(line)
            if heading is not None:
                level = len(heading[1])
                left_out = 0 if level <= left_out else left_out
                if not left_out and (where := self.included.get((source, slug(heading[2])))):
                    left_out = level
                    name = where[0].removesuffix(".md").replace("_", " ").capitalize()
                    yield f"{line}\n\nSee [{name}]({leading(page, *where)}).\n"
            if not left_out:
                yield line if code else self._mended(line, source, page)

    def _section(self, source: str, asked: re.Match[str], level: int, page: str) -> Iterator[str]:
        depth, found = section(read(source), asked[4], asked[5] is not None)
        for line, code in found:
            if code:
                yield line
            elif heading := HEADING.fullmatch(line):
                yield f"{'#' * (len(heading[1]) - depth + level)} {heading[2]}"
            else:
                yield self._mended(line, source, page)

    def _mended(self, line: str, source: str, page: str) -> str:
        """Return a line whose links lead to pages, and bear a page's title instead of a path."""

        def mended(link: re.Match[str]) -> str:
            target = self.pages.get(joined(source, link[2].partition("#")[0]))
            named = link[1] and target and f"[{self._title(target)}]"
            return f"{named or link[1] or ']'}({self._target(link[2], source, page)})"

        return LINK.sub(mended, line)

    def _title(self, page: str) -> str:
        """Return the heading of a page."""
        source = next(source for source, other in self.pages.items() if other == page)
        return read(source).partition("\n")[0].removeprefix("# ")

    def _target(self, link: str, source: str, page: str) -> str:
        if re.match(r"[a-z]+:", link):
            return link
        name, _, anchor = link.partition("#")
        path = joined(source, name) if name else source
        if anchor and (where := self.included.get((path, anchor))):
            return leading(page, *where)
        if path in self.pages:
            return leading(page, self.pages[path], anchor)
        if (made := path.removeprefix("docs/")) in self.made:
            return leading(page, made, anchor)
        if path == "README.md" and not anchor:
            return leading(page, "index.md")
        if anchor:
            raise SiteError(f"{link} leads to a section that no page has: include it in one")
        if not (ROOT / path).exists():
            raise SiteError(f"{link} leads to nothing")
        if path.endswith(PICTURES):
            self.pictures.add(path)
            return leading(page, f"pictures/{posixpath.basename(path)}")
        self.shown.add(path)
        return leading(page, file_page(path))


def read(source: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / source).read_text(encoding="utf-8")


def joined(source: str, name: str) -> str:
    """Return a link's path in the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), name))


def leading(page: str, target: str, anchor: str = "") -> str:
    """Return the link from a page to another one."""
    path = "" if page == target and anchor else posixpath.relpath(target, posixpath.dirname(page))
    return f"{path}#{anchor}" if anchor else path


def file_page(path: str) -> str:
    """Return the page that shows a file or a folder of the repository."""
    return f"files/{path.strip('/').replace('/', '-').replace('.', '-')}.md"
