"""What is said to the world agrees with pyproject.toml, and what is packed is checked."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = re.findall(r":: (3\.\d+)", " ".join(PROJECT["classifiers"]))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def read(path: Path):
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_badges_tell_the_truth():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    badges = re.findall(r"img\.shields\.io/badge/(\w+)-(.+?)-\w+\)", readme)
    assert dict(badges) == {
        "python": f"{PYTHONS[0]}_to_{PYTHONS[-1]}",
        "license": PROJECT["license"],
    }


def test_the_citation_is_of_this_project():
    told = read(ROOT / "CITATION.cff")
    assert told["title"] == PROJECT["name"]
    assert told["license"] == PROJECT["license"]
    assert told["abstract"].rstrip(".") == PROJECT["description"]
    # It stands in pyproject.toml alone.
    assert "version" not in told


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_pinned_and_bounded(path):
    told = read(path)
    assert told["permissions"] in ({}, {"contents": "read"})
    assert "group" in told["concurrency"]
    for job in told["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 120
        for step in job["steps"]:
            assert re.fullmatch(r"[\w./-]+@(v\d+|release/v1)", step.get("uses", "a/b@v1"))


def test_ci_takes_all_versions_of_python():
    jobs = read(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    for job in jobs.values():
        assert job["strategy"]["matrix"]["python"] == PYTHONS


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_forms_ask_for_something(path):
    told = read(path)
    assert {"name", "description", "body"} <= set(told)
    asked = [entry for entry in told["body"] if entry["type"] != "markdown"]
    assert len({entry["id"] for entry in asked}) == len(asked)
    assert any(entry.get("validations", {}).get("required") for entry in asked)


def check_package(folder: Path, *words: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "check_package.py", folder, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    faults = [line for line in done.stdout.splitlines() if line.startswith("FAULT: ")]
    return done.returncode, faults


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A wheel and an sdist as they should be, but for a file too many and a file too few."""
    folder, version = tmp_path_factory.mktemp("dist"), PROJECT["version"]
    files = [path for path in (ROOT / "learned_envs").rglob("*") if path.is_file()]
    names = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    with zipfile.ZipFile(folder / f"learned_envs-{version}-py3-none-any.whl", "w") as wheel:
        for name in names:
            wheel.write(ROOT / name, name)
        wheel.writestr("tests/test_words.py", "")
        wheel.writestr(f"learned_envs-{version}.dist-info/licenses/LICENSE", "")
    others = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "pyproject.toml"}
    with tarfile.open(folder / f"learned_envs-{version}.tar.gz", "w") as sdist:
        for name in (names | others) - {"learned_envs/weights/Hopper.safetensors"}:
            sdist.add(ROOT / name, f"learned_envs-{version}/{name}")
    return folder


def test_what_is_too_much_or_missing_in_a_package_is_named(packed):
    code, faults = check_package(packed)
    assert code == 1
    assert [fault.partition(".whl ")[2] or fault.partition(".gz ")[2] for fault in faults] == [
        "should not hold tests/test_words.py",
        "lacks learned_envs/weights/Hopper.safetensors",
    ]


def test_a_tag_has_to_be_the_version(packed):
    assert len(check_package(packed, "--tag", f"v{PROJECT['version']}")[1]) == 2
    (wrong,) = check_package(packed, "--tag", "v99.0.0")[1][2:]
    assert f"expected v{PROJECT['version']}" in wrong
