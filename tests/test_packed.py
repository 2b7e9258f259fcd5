"""Models that travel in one file, and what is said of files that are none."""

import os
import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import learned_envs
from learned_envs import Simulation, packed
from learned_envs.card import read_card
from learned_envs.cli import main
from learned_envs.errors import CheckpointError, OutputError
from learned_envs.sharing import pack
from learned_envs.sharing.page import NEEDS_CODE, page


@pytest.fixture(scope="module")
def weights(checkpoint: Callable[..., Path]) -> Path:
    return checkpoint("Hopper", "second_order")


@pytest.fixture(scope="module")
def mine(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(weights, tmp_path_factory.mktemp("packed") / "mine.learnedenv")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def observations(checkpoint: Path) -> np.ndarray:
    env = gym.make("LearnedSim-v0", checkpoint=str(checkpoint), compile=False)
    env.action_space.seed(0)
    seen = [env.reset(seed=0)[0]]
    return np.array([*seen, *(env.step(env.action_space.sample())[0] for _ in range(5))])


class TestPack:
    def test_it_steps_as_the_weights_do(self, mine, weights):
        assert (observations(mine) == observations(weights)).all()
        assert Simulation.load(mine).card == Simulation.load(weights).card
        envs = gym.make_vec("LearnedSim-v0", num_envs=2, checkpoint=mine, compile=False)
        assert envs.reset(seed=0)[0].shape == (2, 11)

    def test_its_members(self, mine, weights):
        with zipfile.ZipFile(mine) as archive:
            assert archive.namelist() == ["model.safetensors", "README.md"]
            assert archive.read("model.safetensors") == weights.read_bytes()
            page = archive.read("README.md").decode()
        for told in (
            'checkpoint="mine.learnedenv"',
            "Hopper-v5",
            "11 numbers of float64",
            "from -1",
        ):
            assert told in page

    def test_the_same_model_gives_the_same_bytes(self, mine, weights, tmp_path):
        assert pack(weights, tmp_path / "mine.learnedenv").read_bytes() == mine.read_bytes()

    def test_the_page_of_a_shipped_model_has_its_figures(self, tmp_path):
        path = pack("InvertedPendulum", tmp_path / "pendulum.learnedenv")
        page = zipfile.ZipFile(path).read("README.md").decode()
        card = read_card(path)
        assert f"| 1 | {card.held_out.curves[0].median[0]:.2g} |" in page
        assert "mean return of 1,000 inside" in page
        assert card.sha256 in page

    def test_the_page_of_one_whose_rules_are_hosted_says_so(self):
        card = msgspec.structs.replace(read_card("Ant"), rules=None)
        text = page(card, "mine.learnedenv", {})
        assert 'checkpoint="mine.learnedenv", rules="hosted")' in text
        assert "Those of `Ant-v5`." in text
        assert NEEDS_CODE in text

    def test_as_a_command(self, weights, tmp_path, capsys):
        out = tmp_path / "by-command.learnedenv"
        assert main(["pack", str(weights), str(out)]) == 0
        assert f'checkpoint="{out}"' in capsys.readouterr().out
        assert main(["info", str(out)]) == 0

    def test_it_can_be_registered(self, mine, monkeypatch):
        monkeypatch.chdir(mine.parent)
        learned_envs.register("LearnedSim-Packed-v0", mine.name)
        assert gym.spec("LearnedSim-Packed-v0").kwargs["checkpoint"] == str(mine)

    def test_another_suffix_and_a_damaged_run_are_refused(self, weights, tmp_path):
        with pytest.raises(OutputError, match=r"ends in \.learnedenv"):
            pack(weights, tmp_path / "mine.zip")
        broken = tmp_path / "broken.safetensors"
        broken.write_bytes(weights.read_bytes()[:-8])
        with pytest.raises(CheckpointError):
            pack(broken, tmp_path / "mine.learnedenv")
        assert not (tmp_path / "mine.learnedenv").exists()


class TestCache:
    def test_a_damaged_copy_is_unpacked_again(self, mine, weights):
        copy = packed.unpacked(mine)
        copy.write_bytes(b"damaged")
        assert packed.unpacked(mine) == copy
        assert copy.read_bytes() == weights.read_bytes()
        assert [*copy.parent.iterdir()] == [copy]

    def test_where_the_cache_cannot_be_written_a_passing_folder_is_used(self, mine, cache):
        cache.write_text("a file in the place of the folder")
        assert observations(mine).shape == (6, 11)

    def test_processes_may_unpack_at_the_same_time(self, mine, cache):
        code = "import sys; from learned_envs.card import read_card; read_card(sys.argv[1])"
        run = [sys.executable, "-c", code, str(mine)]
        both = [subprocess.Popen(run, env={**os.environ}) for _ in range(2)]
        assert [process.wait() for process in both] == [0, 0]
        assert len([*(cache / "learned_envs" / "unpacked").iterdir()]) == 1


def archive(
    path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], deflated: bool = True
) -> Path:
    kind = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_BZIP2
    with zipfile.ZipFile(path, "w", kind) as made:
        for name, data in members:
            made.writestr(name, data)
    return path


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


class TestRefusals:
    """Each is one error, and nothing is written."""

    @pytest.mark.parametrize(
        ("members", "told"),
        [
            ([("README.md", b"# nothing else")], "holds no model.safetensors"),
            ([("model.safetensors", b"1"), ("../../evil.py", b"1")], "'../../evil.py'"),
            ([("model.safetensors", b"1"), ("/etc/passwd", b"1")], "'/etc/passwd'"),
            ([("model.safetensors", b"1"), ("env.py", b"1")], "'env.py'"),
            ([("model.safetensors", b"1"), ("model.safetensors", b"2")], "two members"),
            ([("model.safetensors", bytes(10**7))], "10,000,000 bytes"),
            ([("model.safetensors", b"1"), ("README.md", os.urandom(2**21))], "2,097,152 bytes"),
            ([(link("model.safetensors"), b"/etc/passwd")], "a link or a folder"),
        ],
        ids=["no model", "above", "absolute", "code", "twice", "bomb", "long page", "link"],
    )
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_members_that_do_not_belong_there(self, tmp_path, cache, members, told):
        path = archive(tmp_path / "odd.learnedenv", *members)
        with pytest.raises(CheckpointError, match="not a readable packed model") as refused:
            read_card(path)
        assert told in str(refused.value)
        assert not cache.exists()

    def test_another_way_of_packing(self, weights, tmp_path):
        path = tmp_path / "odd.learnedenv"
        archive(path, ("model.safetensors", weights.read_bytes()), deflated=False)
        with pytest.raises(CheckpointError, match="neither stored nor deflated"):
            read_card(path)

    def test_a_size_that_is_not_true(self, mine, tmp_path):
        data = bytearray(mine.read_bytes())
        # The length of the first member, in its entry of the directory.
        at = data.index(b"PK\x01\x02") + 24
        (size,) = struct.unpack_from("<I", data, at)
        for told in (size - 1000, size + 1000):
            struct.pack_into("<I", data, at, told)
            path = tmp_path / "odd.learnedenv"
            path.write_bytes(data)
            with pytest.raises(CheckpointError, match="not a readable packed model"):
                read_card(path)

    @pytest.mark.parametrize("data", [b"", b"PK", b"\x80\x04 a pickle", b"{}" * 1000])
    def test_other_files_of_that_name(self, tmp_path, data):
        path = tmp_path / "foreign.learnedenv"
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match="not a readable packed model"):
            read_card(path)

    def test_weights_in_it_that_are_damaged_say_where_they_are_from(self, tmp_path):
        path = archive(tmp_path / "odd.learnedenv", ("model.safetensors", b"\xff" * 50))
        for read in (read_card, Simulation.load):
            with pytest.raises(CheckpointError, match="not a readable checkpoint") as refused:
                read(path)
            assert f"unpacked from {path}" in str(refused.value)

    def test_one_that_is_not_there(self, tmp_path):
        with pytest.raises(CheckpointError, match="There is no checkpoint at"):
            read_card(tmp_path / "none.learnedenv")

    @given(cut=st.floats(0, 1, exclude_max=True), flips=st.lists(st.floats(0, 1), max_size=3))
    def test_damage_is_told_or_harmless(self, mine, tmp_path_factory, cut, flips):
        data = bytearray(mine.read_bytes())
        if not flips:
            data = data[: int(cut * len(data))]
        for flip in flips:
            data[int(flip * (len(data) - 1))] ^= 255
        path = tmp_path_factory.getbasetemp() / "damaged.learnedenv"
        path.write_bytes(data)
        try:
            card = read_card(path)
        except CheckpointError as error:
            assert "not a readable" in str(error)
        else:
            assert card.plain == read_card(mine).plain
