"""Native code is compiled once, kept where only its user can write, and loaded if it is whole."""

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from marks import needs_compiler

from learned_envs.codegen.cpp import compiler, library
from learned_envs.codegen.cpp.folder import UnsafeFolderError, cache_folder
from learned_envs.errors import NativeCodeError

pytestmark = [needs_compiler, pytest.mark.skipif(os.name == "nt", reason="owners and modes")]

SOURCE = 'extern "C" int answer() { return 42; }\n'

Damage = Callable[[Path], object]

DAMAGES: dict[str, Damage] = {
    "truncated": lambda file: os.truncate(file, 1000),
    "emptied": lambda file: os.truncate(file, 0),
    "a byte is another": lambda file: file.write_bytes(file.read_bytes()[:-1] + b"!"),
    "all bytes are others": lambda file: file.write_bytes(b"\x7fELF" * 1000),
    "others may write": lambda file: file.chmod(0o722),
    "unreadable": lambda file: (file.unlink(), file.symlink_to("/nowhere")),
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the user's, and a process that has loaded nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(library, "_loaded", {})
    monkeypatch.setattr(library, "_warned", [])
    return tmp_path / "cache"


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources that were compiled."""
    sources: list[str] = []
    real = library.compile_library

    def counted(source: str, name: str, folder: Path) -> Path:
        sources.append(source)
        return real(source, name, folder)

    monkeypatch.setattr(library, "compile_library", counted)
    return sources


def libraries(cache: Path) -> list[Path]:
    return sorted(cache.glob("learned_envs/native/*.so"))


def moved(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Move the cache, and forget what was loaded, so that its files are opened again."""
    other = cache.with_name("moved")
    shutil.move(cache, other)
    monkeypatch.setenv("XDG_CACHE_HOME", str(other))
    monkeypatch.setattr(library, "_loaded", {})
    return other


def test_code_is_compiled_once_and_its_folder_is_the_users_alone(cache, compilations, monkeypatch):
    assert library.load(SOURCE).answer() == 42
    assert library.load(SOURCE).answer() == 42
    other = moved(cache, monkeypatch)
    assert library.load(SOURCE).answer() == 42
    assert len(compilations) == 1
    assert (other / "learned_envs" / "native").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", DAMAGES)
def test_a_file_that_is_not_whole_is_compiled_anew(name, cache, compilations, monkeypatch):
    library.load(SOURCE)
    (file,) = libraries(moved(cache, monkeypatch))
    DAMAGES[name](file)
    assert library.load(SOURCE).answer() == 42
    assert len(compilations) == 2
    assert file.lstat().st_mode & 0o777 == 0o700


def test_what_was_loaded_does_not_depend_on_its_file_any_more(cache):
    loaded = library.load(SOURCE)
    (file,) = libraries(cache)
    os.truncate(file, 0)
    # Both read what the system has of every library that is loaded.
    assert loaded.answer() == 42
    assert library.load(SOURCE.replace("42", "43")).answer() == 43


def test_a_library_that_is_a_link_is_not_loaded(cache, compilations, monkeypatch, tmp_path):
    library.load(SOURCE)
    (file,) = libraries(moved(cache, monkeypatch))
    shutil.move(file, tmp_path / "elsewhere.so")
    file.symlink_to(tmp_path / "elsewhere.so")
    library.load(SOURCE)
    assert len(compilations) == 2 and not file.is_symlink()


@pytest.mark.parametrize("made", ["open to others", "a link", "a file", "below an open folder"])
def test_a_folder_that_others_can_write_to_is_not_used(made, cache, compilations, tmp_path):
    folder = cache / "learned_envs"
    cache.mkdir()
    if made == "open to others":
        (folder / "native").mkdir(parents=True)
        (folder / "native").chmod(0o777)
    elif made == "a link":
        folder.mkdir()
        (tmp_path / "other").mkdir(mode=0o700)
        (folder / "native").symlink_to(tmp_path / "other")
    elif made == "a file":
        folder.write_text("")
    else:
        cache.chmod(0o777)
    with pytest.warns(RuntimeWarning, match="XDG_CACHE_HOME"):
        assert library.load(SOURCE).answer() == 42
    with warnings.catch_warnings():
        # Said once, and compiled once, in a process.
        warnings.simplefilter("error")
        library.load(SOURCE)
        library.load(SOURCE + "// other")
    assert len(compilations) == 2 and not libraries(cache)


def test_a_folder_of_another_user_is_not_used(cache, monkeypatch):
    cache_folder()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(UnsafeFolderError):
        cache_folder()


def test_processes_and_threads_that_need_the_same_code_all_get_it(cache):
    program = (
        "from learned_envs.codegen.cpp.library import load\n"
        f"assert load({SOURCE!r}).answer() == 42\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        assert {found.answer() for found in pool.map(library.load, [SOURCE] * 8)} == {42}
    assert [process.wait() for process in processes] == [0, 0]
    assert len(libraries(cache)) == 1


def test_another_compiler_or_processor_has_files_of_its_own(cache, compilations, monkeypatch):
    library.load(SOURCE)
    monkeypatch.setattr(library, "_loaded", {})
    monkeypatch.setattr(library, "identity", lambda: "another")
    library.load(SOURCE)
    assert len(compilations) == len(libraries(cache)) == 2


def test_without_a_compiler_the_error_says_so(cache, monkeypatch):
    monkeypatch.setenv("CXX", "/nowhere/c++")
    with pytest.raises(NativeCodeError, match="CXX"):
        library.load(SOURCE)
    monkeypatch.delenv("CXX")
    monkeypatch.setattr(compiler, "COMPILERS", ("nowhere++",))
    with pytest.raises(NativeCodeError, match="no C"):
        library.load(SOURCE)


def test_code_that_does_not_compile_is_an_error_with_the_compilers_words(cache):
    with pytest.raises(NativeCodeError, match="error"):
        library.load("not C++")
    assert not list(cache.glob("**/*.tmp"))
