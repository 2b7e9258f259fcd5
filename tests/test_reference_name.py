"""Names of real environments: one canonical form, which says all that is needed to make one."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from users import forget_others

from learned_envs import registry
from learned_envs.cli import parse
from learned_envs.data.source import expect
from learned_envs.errors import DatasetError, ParameterError, UnknownNameError
from learned_envs.fit.folder import CONFIG_FILE
from learned_envs.fit_command import task_with
from learned_envs.reference_name import BARE, ReferenceName, read_keywords

PENDULUM = """<mujoco><worldbody><body name="pole"><joint name="hinge"/>
<geom type="capsule" fromto="0 0 0 0 0 .3" size=".04"/></body></worldbody></mujoco>"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the user is in, with a file of a robot."""
    (tmp_path / "my robot.xml").write_text(PENDULUM)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def ids() -> Iterator[None]:
    """Ids that appear in a test are forgotten."""
    known = dict(gym.registry)
    yield
    forget_others(known)


@pytest.mark.parametrize(
    ("text", "id", "kwargs"),
    [
        ("Ant-v5", "Ant-v5", {}),
        ("my_robot:MyRobot-v0", "my_robot:MyRobot-v0", {}),
        ("my.robots:lab/My-Robot.a-v12", "my.robots:lab/My-Robot.a-v12", {}),
        ("Ant-v5?frame_skip=4", "Ant-v5", {"frame_skip": 4}),
        ("Ant-v5?xml_file=longer.xml", "Ant-v5", {"xml_file": "longer.xml"}),
        ('Ant-v5?b=[0.2,1]&a="4"', "Ant-v5", {"a": "4", "b": [0.2, 1]}),
        ("Ant-v5?a=True&b=false&c=null", "Ant-v5", {"a": True, "b": False, "c": None}),
        ("Ant-v5?a=1%262%3D%3F", "Ant-v5", {"a": "1&2=?"}),
        ("m:Dots-v1?a=a+b", "m:Dots-v1", {"a": "a b"}),
        ("Ant-v5?", "Ant-v5", {}),
        ("Ant-v5?a=&b=1", "Ant-v5", {"a": "", "b": 1}),
    ],
)
def test_a_name_has_one_form_that_is_read_back(text: str, id: str, kwargs: dict[str, Any]) -> None:
    name = ReferenceName.read(text)
    assert name is not None
    assert (name.reference_id, name.kwargs) == (id, kwargs)
    assert ReferenceName.read(str(name)) == name
    assert str(ReferenceName.read(str(name))) == str(name)


def test_how_a_name_is_written_does_not_matter() -> None:
    texts = ["Ant-v5?b=1&a=x", 'Ant-v5?a="x"&b=1', "Ant-v5?a=x&b=%31"]
    assert len({str(ReferenceName.read(text)) for text in texts}) == 1
    # Text that looks like a number stays text.
    number, text = ReferenceName("Ant-v5", {"a": 4}), ReferenceName("Ant-v5", {"a": "4"})
    assert str(number) != str(text)
    assert ReferenceName.read(str(text)) == text


@pytest.mark.parametrize("text", ["Hopper", "MyRobot", "runs/mine", "", "v5", "a b-v0"])
def test_other_words_are_no_names(text: str) -> None:
    assert ReferenceName.read(text) is None


@pytest.mark.parametrize("text", ["Ant-v5?frame_skip", "Ant-v5?a=1&&b=2"])
def test_keyword_arguments_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ParameterError, match=re.escape(repr(text))):
        ReferenceName.read(text)


def test_a_file_is_named_by_its_whole_path(here: Path) -> None:
    name = ReferenceName.read("my robot.xml?frame_skip=2")
    assert name is not None
    path = str(here / "my robot.xml")
    assert (name.reference_id, name.kwargs) == (BARE, {"xml_file": path, "frame_skip": 2})
    assert ReferenceName.read(str(name)) == name
    assert registry.task_of("my robot.xml") == registry.task_of(path)


def test_two_environments_have_two_ids_and_folders() -> None:
    tasks = [registry.task_of(f"Ant-v5{query}") for query in ("", "?frame_skip=4", "?frame_skip=3")]
    for of in (registry.env_id, registry.folder_name):
        assert len({of(task) for task in tasks}) == 3
    for task in tasks:
        gym.envs.registration.parse_env_id(registry.env_id(task))
        assert re.fullmatch(r"[a-z0-9_.]+", registry.folder_name(task))
        assert registry.task_of(registry.env_id(task)) == task
        assert gym.spec(registry.env_id(task)).max_episode_steps == 1000


def test_a_task_with_traced_rules_is_its_environment() -> None:
    assert registry.task_of("Ant-v5") == "Ant"
    expect("Ant-v5", "Ant", Path("data"))
    # Others are another model of it, and other environments.
    assert registry.task_of("Hopper-v5") == "Hopper-v5"
    for other in ("Ant-v5?frame_skip=4", "Ant-v4"):
        assert registry.task_of(other) == other
        with pytest.raises(DatasetError, match="expected one of Ant"):
            expect(other, "Ant", Path("data"))


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("no_such_module:A-v0", ParameterError, "the module 'no_such_module', which is not"),
        ("no_such_package.robots:A-v0", ParameterError, "'no_such_package'"),
        ("math:NoRobot-v0", ParameterError, "'NoRobot-v0': the module 'math' does not register it"),
        ("NoRobot-v0", ParameterError, "my_robot:MyRobot-v0"),
        ("no/robot.xml", ParameterError, "no file no/robot.xml"),
        ("MyRobot", UnknownNameError, "MyRobot"),
        ("hoper", UnknownNameError, "Hopper"),
    ],
)
def test_what_is_not_there_is_refused_by_name(
    name: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        registry.task_of(name)
    assert words in str(caught.value)


def test_keyword_arguments_are_json_or_text() -> None:
    texts = ("a=x", "b=4", 'c="4"', "d=[0.2, 1]", 'e={"f": null}', "g=True", "h=a=b", "i=")
    assert read_keywords(texts) == {
        **{"a": "x", "b": 4, "c": "4", "d": [0.2, 1], "e": {"f": None}, "g": True},
        **{"h": "a=b", "i": ""},
    }
    for text in ("frame_skip", "=4", "frame skip=4"):
        with pytest.raises(ParameterError, match="expected NAME=VALUE"):
            read_keywords((text,))


def test_a_file_among_arguments_becomes_its_whole_path(here: Path) -> None:
    given = (("xml_file=my robot.xml", "frame_skip=4"), ("camera=no file.xml",))
    name = ReferenceName.read(task_with("Ant-v5", given))
    assert name is not None
    expected = {"xml_file": str(here / "my robot.xml"), "frame_skip": 4, "camera": "no file.xml"}
    assert name.kwargs == expected
    for same in ("Ant", "Ant-v5"):
        assert task_with(same, (("frame_skip=4",),)) == "Ant-v5?frame_skip=4"
    # What is typed later counts.
    assert task_with("Ant-v5?frame_skip=2", (("frame_skip=4",),)) == "Ant-v5?frame_skip=4"


def test_a_task_that_is_registered_takes_no_arguments() -> None:
    assert task_with("Hopper", ()) == "Hopper"
    with pytest.raises(ParameterError, match=r"for Hopper, .* environment instead: Hopper-v5\."):
        task_with("LearnedSim-Hopper-v0", (("frame_skip=2",),))


def test_the_words_to_go_on_with_name_the_same_fit(tmp_path: Path) -> None:
    # A fit that has begun.
    (tmp_path / CONFIG_FILE).touch()
    words = ["fit", "Ant-v5", "--env-kwargs", "frame_skip=4", "--out", str(tmp_path)]
    typed = parse(words)
    again = parse(shlex.split(typed.interrupted.partition("learned-envs ")[2]))
    assert again.resume
    assert (again.name, again.folder) == (typed.name, typed.folder)
