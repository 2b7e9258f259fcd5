"""The shipped weights are those that users were told of, and do what they did."""

import json

import numpy as np
import pytest
from grids import SHIPPED
from pins import PINS, TELL, WRITE, announcements, identity, rollout, untold

pins = json.loads(PINS.read_text())


def test_every_shipped_task_is_pinned():
    assert list(pins) == SHIPPED, WRITE


@pytest.mark.parametrize("task", pins)
def test_weights_change_only_if_users_are_told(task):
    pin, found = pins[task], identity(task)
    advice = TELL if untold(pin, found) else WRITE
    for name in ("id", "sha256"):
        assert found[name] == pin[name], f"{task} has another {name} than its pin. {advice}"
    assert found["announcements"] >= pin["announcements"], (
        f'CHANGELOG.md lost an entry under "Environments" that names {task}. Restore it.'
    )


@pytest.mark.parametrize("task", pins)
def test_weights_roll_out_as_they_did(task):
    pin = pins[task]
    found = rollout(task, pin["start"])
    # In float64 the same rollouts end up to 4.5e-5 away, in units of 1 + |x|: that is what rounding
    # adds up to in 20 steps. Other processors round otherwise, so 20 times as much may pass.
    close = {"rtol": 1e-3, "atol": 1e-3}
    for name in ("q", "v"):
        np.testing.assert_allclose(found["end"][name], pin["end"][name], **close)
    np.testing.assert_allclose(found["rewards"], pin["rewards"], **close)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sha256": "other"}, True),
        ({"sha256": "other", "announcements": 3}, False),
        ({"sha256": "other", "id": "LearnedSim-Hopper-v1"}, False),
        ({"announcements": 3}, False),
    ],
    ids=["silently", "by a line", "by an id", "no change"],
)
def test_a_change_is_told_by_a_line_or_an_id(changes, expected):
    old = {"id": "LearnedSim-Hopper-v0", "sha256": "one", "announcements": 2}
    assert untold(old, {**old, **changes}) is expected


def test_announcements_are_entries_under_environments_that_name_the_task():
    changelog = (
        "## [Unreleased]\n\n### Environments\n\n- `LearnedSim-Hopper-v0` has\n  new weights.\n"
        "- InvertedDoublePendulum.\n\n### Added\n\n- A Hopper.\n\n"
        "## [0.1.0]\n\n### Environments\n\n- Hopper and Reacher, of which the Hopper hops.\n"
    )
    assert announcements("Hopper", changelog) == 2
    assert announcements("Reacher", changelog) == 1
    assert announcements("DoublePendulum", changelog) == 0
