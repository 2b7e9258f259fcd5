"""Models that travel by a hub: pushed, found by their names, and what is said if they are not."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_clients import CARDS, COMMAND, COMMANDS, USE
from hub_repository import Repository
from hub_server import READER, UNLUCKY, WRITER, HubServer

from learned_envs.errors import CheckpointError
from learned_envs.hub import HubName
from learned_envs.location import FILE_NAME

pytest.importorskip("huggingface_hub")


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture(autouse=True)
def is_up(hub: HubServer) -> Iterator[None]:
    hub.asked.clear()
    yield
    hub.down = False


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def run(home: Path, checkpoint: Callable[..., Path]) -> Path:
    """A fit's folder, as far as a push looks at it."""
    folder = home / "run"
    folder.mkdir()
    shutil.copy(checkpoint("Hopper", "second_order"), folder / FILE_NAME)
    (folder / "report.html").write_text("<html></html>")
    (folder / "motion.webp").write_bytes(b"RIFF")
    (folder / "training.safetensors").write_bytes(b"not to be pushed")
    return folder


@pytest.fixture(scope="module")
def pushed(hub: HubServer, home: Path, run: Path) -> str:
    """The first commit that was pushed to the main branch of user/name."""
    done = hub.run(home, *COMMAND, "push", "run", "user/name")
    assert done.code == 0, done.err
    commit = hub.repositories["user/name"].branches["main"]
    assert f"this commit: hf://user/name@{commit}" in done.out
    return commit


@pytest.fixture
def cards(hub: HubServer, tmp_path: Path) -> Callable[..., dict[str, list[str]]]:
    """What comes of reading cards, in a process with a cache of its own."""

    def read(*names: str, home: Path = tmp_path, token: str | None = None) -> Any:
        done = hub.run(home, "-c", CARDS, *names, token=token)
        assert done.code == 0, done.err
        return json.loads(done.out)

    return read


class TestPush:
    def test_what_is_there(self, hub, pushed, run):
        files = hub.repositories["user/name"].commits[pushed]
        names = {FILE_NAME, "README.md", "env.py", "report.html", "motion.webp"}
        assert set(files) == names | {".gitattributes"}
        assert files[FILE_NAME] == (run / FILE_NAME).read_bytes()

    def test_its_page_has_the_fields_of_the_hub(self, hub, pushed, run, tmp_path):
        import huggingface_hub

        from learned_envs.card import read_card
        from learned_envs.sharing.push import header

        text = hub.repositories["user/name"].commits[pushed]["README.md"].decode()
        page = huggingface_hub.ModelCard(text)
        assert page.data.library_name == "learned-envs"
        assert "reinforcement-learning" in page.data.tags
        for told in (
            'checkpoint="hf://user/name"',
            "](motion.webp)",
            "](report.html)",
            "11 numbers",
        ):
            assert told in page.text
        # What was fitted has figures; a card of the package does.
        card = read_card("Hopper")
        shipped = header(card, "user/hopper")
        found = {(each.metric_type, each.metric_value) for each in shipped.eval_results}
        assert ("median_rollout_error", card.held_out.curve("model").median[0]) in found
        assert ("mean_reward", sum(card.returns.outside) / len(card.returns.outside)) in found

    def test_a_private_one_on_a_branch(self, hub, commands, home, cards):
        assert commands["private"][0] == 0
        assert hub.repositories["user/secret"].private
        name = "hf://user/secret@second"
        assert cards(name, token=WRITER)[name][0] == "Hopper"
        for token, home_of in ((None, "nobody"), (READER, "reader")):
            (home / home_of).mkdir()
            kind, message = cards(name, home=home / home_of, token=token)[name]
            assert kind == "CheckpointError"
            assert "private" in message
            assert "HF_TOKEN" in message

    @pytest.mark.parametrize(
        ("who", "told"),
        [
            ("nobody", "HF_TOKEN"),
            ("reader", "may not write"),
            ("unlucky", "connection"),
            ("odd", "expected user/name"),
            ("too late", "which is there and public"),
        ],
    )
    def test_what_the_hub_does_not_take_is_one_line(self, hub, pushed, commands, who, told):
        code, out, error = commands[who]
        assert (code, out) == (1, "")
        assert error.startswith("learned-envs: ")
        assert told in error
        assert len(error.splitlines()) == 1
        assert hub.repositories["user/name"].branches["main"] == pushed


@pytest.fixture(scope="module")
def commands(hub: HubServer, home: Path, run: Path, pushed: str) -> dict[str, list[Any]]:
    """The exit code and what is printed of pushes by several people."""
    push = ["push", "run", "user/name"]
    asked = {
        "private": (WRITER, ["push", "run", "user/secret", "--private", "--revision", "second"]),
        "nobody": (None, push),
        "reader": (READER, push),
        "unlucky": (UNLUCKY, push),
        "too late": (WRITER, [*push, "--private"]),
        "odd": (WRITER, ["push", "run", "user/name/more"]),
    }
    done = hub.run(home, "-c", COMMANDS, json.dumps([*asked.values()]))
    assert done.code == 0, done.err
    return dict(zip(asked, json.loads(done.out), strict=True))


class TestFind:
    def test_it_is_used_as_the_run_is(self, hub, home, run, pushed):
        pinned = f"hf://user/name@{pushed}"
        (home / "use.py").write_text(USE)
        done = hub.run(home, "use.py", "hf://user/name", str(run), pinned)
        assert done.code == 0, done.err
        told, lerobot = map(json.loads, done.out.splitlines())
        assert told["registered"] == told["start"] == pinned
        of_main, of_run, of_commit = told["steps"]
        assert of_main["seen"] == of_run["seen"] == of_commit["seen"]
        assert of_main["sha256"] == of_run["sha256"]
        assert [of_main["pinned"], of_run["pinned"], of_commit["pinned"]] == [pinned, None, pinned]
        assert pinned in told["info"]
        # An untrained model has no figures of its own: this says that its card was read.
        assert "hf://user/name holds no figures" in told["evaluate"]
        # Nothing but the weights was asked for until LeRobot did, and they were downloaded once.
        asked = [line.rpartition("/")[2] for line in hub.asked if "/resolve/" in line]
        assert {*asked[: asked.index("env.py")]} == {FILE_NAME}
        assert sum(line.startswith("GET /lfs") for line in hub.asked) == 1
        assert lerobot == [[2, 11], ["Hopper", "Hopper"], [1, 11]]

    def test_a_commit_is_asked_for_once(self, hub, pushed, cards):
        name = f"hf://user/name@{pushed}"
        assert cards(name)[name] == ["Hopper", name]
        hub.asked.clear()
        hub.down = True
        assert cards(name)[name] == ["Hopper", name]
        assert not [line for line in hub.asked if "resolve" in line]

    def test_without_the_hub_what_was_downloaded_is_used_and_it_says_so(self, hub, pushed, cards):
        name = "hf://user/name"
        cards(name)
        hub.down = True
        task, pinned, warning = cards(name)[name]
        assert (task, pinned) == ("Hopper", f"hf://user/name@{pushed}")
        assert "could not be asked" in warning
        assert pinned in warning

    def test_a_branch_that_moved(self, hub, pushed, cards):
        repository = hub.repositories["user/name"]
        files = repository.commits[pushed]
        repository.branches["moving"] = pushed
        name = "hf://user/name@moving"
        assert cards(name)[name][1].endswith(pushed)
        newest = repository.commit("moving", {**files, "README.md": b"new"})
        assert cards(name)[name][1].endswith(newest)
        hub.down = True
        assert cards(name)[name][1].endswith(newest)


class TestRefusals:
    """Each is one error, which says what to do."""

    def test_what_there_is_not(self, hub, pushed, cards, checkpoint):
        weights = checkpoint("Hopper", "second_order").read_bytes()
        damaged = bytearray(weights)
        damaged[-1] ^= 1
        for name, files, gated in [
            ("user/empty", {}, False),
            ("user/foreign", {FILE_NAME: b"\x80\x04 a pickle"}, False),
            ("user/damaged", {FILE_NAME: weights[:1000]}, False),
            ("user/gated", {FILE_NAME: weights}, True),
        ]:
            repository = hub.repositories[name] = Repository(gated=gated)
            repository.commit("main", files)
        expected = {
            "hf://user/none": "There is no user/none on the hub, or it is private",
            "hf://user/name@nope": "user/name has no revision 'nope'",
            f"hf://user/name@{'0' * 40}": "has no revision '000",
            "hf://user/empty": "hf://user/empty holds no model.safetensors",
            "hf://user/foreign": "not a readable checkpoint",
            "hf://user/damaged": "is downloaded again",
            "hf://user/gated": "user/gated is gated",
            "hf://user": "expected hf://user/name",
            "hf://user/name@": "expected hf://user/name",
            "hf://user/na..me": "is no name that the hub can have",
        }
        told = cards(*expected, token=READER)
        for name, words in expected.items():
            kind, message, *warnings = told[name]
            assert kind == "CheckpointError", (name, message)
            assert words in message, name
            assert not warnings

    def test_a_hub_that_is_away(self, hub, pushed, cards):
        hub.down = True
        kind, message = cards("hf://user/name")["hf://user/name"]
        assert kind == "CheckpointError"
        assert "was not downloaded here before" in message
        assert "connection" in message

    def test_no_hub_at_all(self, hub, pushed, tmp_path):
        code = f"import os; os.environ['HF_ENDPOINT'] = 'http://127.0.0.1:9'\n{CARDS}"
        done = hub.run(tmp_path, "-c", code, "hf://user/name")
        kind, message = json.loads(done.out)["hf://user/name"]
        assert (kind, "connection" in message) == ("CheckpointError", True)

    def test_one_that_is_too_large_is_not_downloaded(self, hub, pushed, cards):
        hub.told_size = 10**10
        try:
            kind, message = cards("hf://user/name")["hf://user/name"]
        finally:
            hub.told_size = None
        assert (kind, "10,000,000,000 bytes" in message) == ("CheckpointError", True)
        assert not [line for line in hub.asked if line.startswith("GET /lfs")]

    def test_a_download_that_breaks_off(self, hub, pushed, cards):
        hub.cut = True
        try:
            kind, message = cards("hf://user/name")["hf://user/name"]
        finally:
            hub.cut = False
        assert (kind, "could not be downloaded whole" in message) == ("CheckpointError", True)
        assert cards("hf://user/name")["hf://user/name"][0] == "Hopper"

    def test_without_the_client(self, hub, tmp_path):
        code = f"import sys; sys.modules['huggingface_hub'] = None\n{CARDS}"
        done = hub.run(tmp_path, "-c", code, "hf://user/name")
        kind, message = json.loads(done.out)["hf://user/name"]
        assert kind == "DependencyError"
        assert 'pip install "learned-envs[hub]"' in message


@pytest.mark.parametrize("name", ["hf://user/name", "hf:/user/name", "hf:\\user\\name"])
def test_names_that_became_paths_are_read(name):
    assert HubName.read(name) == ("user/name", "main")


def test_a_name_of_another_form_is_an_error():
    with pytest.raises(CheckpointError, match="expected hf://user/name"):
        HubName.read("hf://user/name/more")
