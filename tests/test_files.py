import errno
from pathlib import Path

import pytest

from learned_envs.errors import OutputError
from learned_envs.files import write_folder, write_whole


@pytest.fixture
def fill(monkeypatch):
    """`fill(name)`: the disk is full once a file of that name is half written."""

    def fill(name):
        write = Path.write_bytes

        def full(self, data):
            if not self.name.startswith(name):
                return write(self, data)
            write(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)

    return fill


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestFile:
    def test_it_is_there_and_nothing_else(self, tmp_path):
        file = tmp_path / "new" / "file"
        for data in (b"one", b"other"):
            write_whole(file, data)
            assert file.read_bytes() == data
        assert names(file.parent) == ["file"]

    def test_a_full_disk_keeps_what_was_there(self, tmp_path, fill):
        write_whole(tmp_path / "file", b"before")
        fill("file")
        with pytest.raises(OutputError, match=r"file: .*No space left.*; buy a disk\."):
            write_whole(tmp_path / "file", b"after", "buy a disk")
        assert (tmp_path / "file").read_bytes() == b"before"
        assert names(tmp_path) == ["file"]

    def test_what_a_kill_left_half_written_is_replaced(self, tmp_path):
        (tmp_path / "file.tmp").write_bytes(b"hal")
        write_whole(tmp_path / "file", b"whole")
        assert names(tmp_path) == ["file"]

    def test_a_folder_in_its_place(self, tmp_path):
        (tmp_path / "file").mkdir()
        with pytest.raises(OutputError, match="file"):
            write_whole(tmp_path / "file", b"data")


FILES = {"a": b"1", "b": b"2"}


class TestFolder:
    def test_a_new_one_has_all_of_its_files(self, tmp_path):
        write_folder(tmp_path / "agent", {**FILES, "c": None})
        assert names(tmp_path / "agent") == ["a", "b"]
        assert names(tmp_path) == ["agent"]

    def test_a_new_one_is_not_there_without_all_of_them(self, tmp_path, fill):
        fill("b")
        with pytest.raises(OutputError, match="No space left"):
            write_folder(tmp_path / "agent", FILES)
        assert not (tmp_path / "agent").exists()

    def test_what_a_kill_left_of_one_is_not_in_it(self, tmp_path):
        (tmp_path / "agent.tmp").mkdir()
        (tmp_path / "agent.tmp" / "c").write_bytes(b"3")
        write_folder(tmp_path / "agent", FILES)
        assert names(tmp_path / "agent") == ["a", "b"]

    def test_other_files_of_one_that_is_there_stay(self, tmp_path):
        for name in ("a", "c", "mine"):
            (tmp_path / name).write_bytes(b"before")
        write_folder(tmp_path, {**FILES, "c": None})
        assert names(tmp_path) == ["a", "b", "mine"]
        assert (tmp_path / "a").read_bytes() == b"1"
