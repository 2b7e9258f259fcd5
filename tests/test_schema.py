import msgspec
import pytest
import torch

from learned_envs.errors import ParameterError
from learned_envs.fit.config import FitConfig, TrainingConfig
from learned_envs.schema import format_of, migrated, strict


class Point(msgspec.Struct):
    x: float


class Line(msgspec.Struct):
    start: Point
    name: str = ""


def test_older_formats_are_brought_up_to_date_step_by_step():
    migrations = {
        1: lambda plain: {**plain, "trail": [*plain["trail"], "to 2"]},
        2: lambda plain: {**plain, "trail": [*plain["trail"], "to 3"]},
    }
    for begin, trail in [(1, ["to 2", "to 3"]), (2, ["to 3"]), (3, [])]:
        plain = migrated({"format": begin, "trail": []}, migrations)
        assert plain == {"format": 3, "trail": trail}


@pytest.mark.parametrize("plain", [[], 3, None, {}, {"format": "1"}, {"format": None}])
def test_what_has_no_format_is_refused(plain):
    with pytest.raises(msgspec.ValidationError):
        format_of(plain)


def test_what_is_read_strictly_has_no_unknown_key():
    assert strict({"start": {"x": 1}}, Line) == Line(Point(1.0))
    with pytest.raises(msgspec.ValidationError, match=r"start\.y, colour"):
        strict({"start": {"x": 1, "y": 2}, "colour": "red"}, Line)
    with pytest.raises(msgspec.ValidationError, match=r"\$\.start\.x"):
        strict({"start": {"x": "one"}}, Line)


def test_a_setting_that_is_no_plain_data_is_refused():
    with pytest.raises(ParameterError, match="options"):
        FitConfig(options=torch.zeros(2))
    for other in (torch.zeros(2), TrainingConfig(), {}):
        with pytest.raises(ParameterError, match="rounds"):
            FitConfig(rounds=other)
