"""Check what is in a wheel and an sdist, and say how large they are.

python .ci/check_package.py FOLDER [--tag v0.1.0]
"""

import argparse
import re
import sys
import tarfile
import tomllib
import zipfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]

PACKAGE = "learned_envs"

MOST_BYTES = 25_000_000
"""Of the wheel and of the sdist. Both had 13 million bytes with eleven tasks' weights."""

IN_THE_SDIST = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "pyproject.toml"}
"""What the sdist holds beside the package; the build back end adds files of its own."""

OF_SETUPTOOLS = {"PKG-INFO", "setup.cfg", "MANIFEST.in"}


def main() -> int:
    """Check both files, print what they hold and what is wrong, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tag", help="the tag of a release, which has to name the version")
    words = parser.parse_args()

    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    wheel = words.folder / f"{PACKAGE}-{version}-py3-none-any.whl"
    sdist = words.folder / f"{PACKAGE}-{version}.tar.gz"
    built = {path.name for path in words.folder.iterdir()}
    if built != {wheel.name, sdist.name}:
        print(f"Got {sorted(built)}, expected {wheel.name} and {sdist.name} alone.")
        return 1

    faults = [*faults_of_wheel(wheel, version), *faults_of_sdist(sdist)]
    if words.tag is not None:
        faults += faults_of_tag(words.tag, version)
    for path, names in ((wheel, names_in_wheel(wheel)), (sdist, names_in_sdist(sdist))):
        size = path.stat().st_size
        print(f"{path.name}: {size / 1e6:.1f} MB, {len(names)} files")
        for folder, count in sorted(Counter(map(folder_of, names)).items()):
            print(f"  {folder:<40} {count:>4}")
        if size > MOST_BYTES:
            faults.append(f"{path.name} has {size:,} bytes, expected at most {MOST_BYTES:,}")
    for fault in faults:
        print(f"FAULT: {fault}")
    return bool(faults)


def sources() -> set[str]:
    """Return all files of the package, as they lie in the checkout."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def names_in_wheel(wheel: Path) -> set[str]:
    """Return the names of its files."""
    with zipfile.ZipFile(wheel) as opened:
        return {name for name in opened.namelist() if not name.endswith("/")}


def names_in_sdist(sdist: Path) -> set[str]:
    """Return the names of its files below its one folder."""
    with tarfile.open(sdist) as opened:
        return {member.name.partition("/")[2] for member in opened.getmembers() if member.isfile()}


def folder_of(name: str) -> str:
    """Return a file's folder."""
    return name.rpartition("/")[0] or "."


def faults_of_wheel(wheel: Path, version: str) -> list[str]:
    """Return what is wrong with it: all files of the package and no others have to be in it."""
    information = f"{PACKAGE}-{version}.dist-info/"
    names = names_in_wheel(wheel)
    package = {name for name in names if not name.startswith(information)}
    faults = compared(wheel, package, sources())
    if f"{information}licenses/LICENSE" not in names:
        faults.append(f"{wheel.name} lacks the licence")
    return faults


def faults_of_sdist(sdist: Path) -> list[str]:
    """Return what is wrong with it: it has to hold the package and what goes with that."""
    names = {
        name
        for name in names_in_sdist(sdist)
        if name not in OF_SETUPTOOLS and f"{PACKAGE}.egg-info" not in name
    }
    return compared(sdist, names, sources() | IN_THE_SDIST)


def compared(path: Path, names: set[str], expected: set[str]) -> list[str]:
    """Return which names are missing, and which are too many."""
    said = (("lacks", expected - names), ("should not hold", names - expected))
    return [f"{path.name} {verb} {', '.join(sorted(wrong))}" for verb, wrong in said if wrong]


def faults_of_tag(tag: str, version: str) -> list[str]:
    """Return what is wrong with a release's tag."""
    faults = []
    if tag != f"v{version}":
        faults.append(f"the tag is {tag}, expected v{version}, the version of pyproject.toml")
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changes, re.M):
        faults.append(f"CHANGELOG.md has no section [{version}] with a date")
    return faults


if __name__ == "__main__":
    sys.exit(main())
