"""The examples in docstrings run, and their cross references lead somewhere."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import learned_envs

ROOT = Path(learned_envs.__file__).parent
SOURCES = {
    ".".join(file.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): (
        file.read_text()
    )
    for file in sorted(ROOT.rglob("*.py"))
}


@pytest.mark.parametrize("module", [name for name, text in SOURCES.items() if ">>>" in text])
def test_examples_print_what_they_say(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted and not result.failed


@pytest.mark.parametrize("module", [name for name, text in SOURCES.items() if "][learned_" in text])
def test_cross_references_name_what_there_is(module: str) -> None:
    for target in re.findall(r"\]\[(learned_envs[\w.]+)\]", SOURCES[module]):
        assert pkgutil.resolve_name(target) is not None
