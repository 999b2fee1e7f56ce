"""Changes of limits as a form asks for them: tried first, then made, and kept in the trail."""

from typing import Any

import pytest
from flask import Flask

from app.audit.model import Author
from app.audit.trail import AuditTrail
from app.console.limits_data import limits_data, make_change, read_asked, try_change
from app.http.application import provided
from app.http.instants import format_ms
from app.http.request_errors import InvalidFields
from app.tenancy.errors import ChangedMeanwhile
from app.tenancy.model import Organization
from app.tenancy.service import Organizations
from tests.callers import new_caller
from tests.turns import DAY_MS, now_ms

Data = dict[str, Any]
BY = Author("console:ada", "ticket 7")
TOMORROW = format_ms(now_ms() + DAY_MS)[:10]


class Change:
    """One organization on the plan pro, and the form that changes it."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.id = new_caller(app, "pro").organization.id

    def now(self) -> Organization:
        with self.app.app_context():
            return provided(Organizations).get_(self.id)

    def try_(self, **given: str) -> Data:
        with self.app.app_context():
            return try_change(provided(Organizations), self.now(), read_asked(given))

    def make(self, version: str, **given: str) -> Data:
        with self.app.app_context():
            organizations = provided(Organizations)
            return make_change(organizations, self.now(), read_asked(given), version, BY)

    def entries(self) -> list[Any]:
        with self.app.app_context():
            return provided(AuditTrail).list_(self.id)


@pytest.fixture
def change(memory_app: Flask) -> Change:
    return Change(memory_app)


def test_only_what_differs_is_shown_and_set(change: Change) -> None:
    asked = {"turns": "60,000", "burst": "50", "active_relationships": " "}
    shown = change.try_(**asked)
    follows = {"before": 50_000, "after": 60_000, "until": None}

    assert change.now().overrides == {}
    assert shown["limits"] == [
        {"limit": "turns", "label": "Turns per period", "is_named": True, **follows},
        {
            "limit": "uncharged_turns",
            "label": "Uncharged turns per period",
            "is_named": False,
            **follows,
        },
    ]
    assert (shown["plan"], shown["changes_count"]) == (None, 2)
    assert change.make(shown["version"], **asked) == shown
    assert change.now().overrides == {"turns": 60_000}


@pytest.mark.parametrize("text", ["60000", "60,000", "60_000", " 60 000 "])
def test_numbers_are_read_as_pages_and_commands_write_them(change: Change, text: str) -> None:
    (turns, _) = change.try_(turns=text)["limits"]
    assert turns["after"] == 60_000


def test_unlimited_is_a_word(change: Change) -> None:
    shown = change.try_(turns="unlimited")
    assert shown["limits"][0]["after"] is None
    change.make(shown["version"], turns="unlimited")
    assert change.now().limits.turns is None


def test_nothing_that_differs_is_no_change(change: Change) -> None:
    entries = change.entries()
    for asked in ({}, {"turns": "50000"}, {"plan": "pro"}, {"overage_policy": "block"}):
        shown = change.try_(**asked)
        assert shown["changes_count"] == 0
        change.make(shown["version"], **asked)
    assert change.now().overrides == {}
    assert change.entries() == entries


def test_a_limit_ends_by_itself(change: Change) -> None:
    asked = {"turns": "60000", "until": TOMORROW}
    shown = change.try_(**asked)
    assert shown["limits"][0]["until"] == f"{TOMORROW}T00:00:00.000Z"

    change.make(shown["version"], **asked)

    limits = {each["limit"]: each for each in with_plan(change)}
    assert (limits["turns"]["own"], limits["turns"]["until"]) == (
        "temporary",
        f"{TOMORROW}T00:00:00.000Z",
    )
    assert (limits["turns"]["of_plan"], limits["turns"]["now"]) == (50_000, 60_000)
    assert limits["burst"]["own"] is None


def with_plan(change: Change) -> list[Data]:
    with change.app.app_context():
        plan = provided(Organizations).plans["pro"]
    return limits_data(change.now(), plan)


def test_a_plan_keeps_own_limits_or_drops_them(change: Change) -> None:
    change.make(change.try_(burst="70")["version"], burst="70")

    kept, dropped = change.try_(plan="scale"), change.try_(plan="scale", own="drop")

    assert kept["plan"] == dropped["plan"] == {"before": "pro", "after": "scale"}
    after = [{row["limit"]: row["after"] for row in shown["limits"]} for shown in (kept, dropped)]
    assert ("burst" in after[0], after[1]["burst"]) == (False, 200)
    change.make(dropped["version"], plan="scale", own="drop")
    assert (change.now().plan, change.now().overrides) == ("scale", {})


def test_own_limits_are_dropped_without_another_plan(change: Change) -> None:
    change.make(change.try_(burst="70")["version"], burst="70")
    shown = change.try_(own="drop")
    assert [row["limit"] for row in shown["limits"]] == ["burst"]
    change.make(shown["version"], own="drop")
    assert change.now().overrides == {}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"turns": "60k"}, "turns"),
        ({"turns": "-1"}, "turns"),
        ({"burst": "0"}, "burst"),
        ({"burst": "unlimited"}, "burst"),
        ({"overage_policy": "perhaps"}, "overage_policy"),
        ({"plan": "gold"}, "plan"),
        ({"turns": "5", "until": "soon"}, "until"),
        ({"turns": "5", "until": "2020-01-01"}, "until"),
        ({"until": TOMORROW}, "until"),
        ({"plan": "scale", "until": TOMORROW}, "until"),
    ],
)
def test_a_bad_value_names_its_field(change: Change, asked: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        change.try_(**asked)
    assert [each["field"] for each in refused.value.field_errors] == [field]
    assert change.now().overrides == {}


@pytest.mark.parametrize("asked", [{"turns": "5"}, {"plan": "scale"}, {"own": "drop"}])
def test_nothing_is_made_after_another_change(change: Change, asked: dict[str, str]) -> None:
    version = change.try_(**asked)["version"]
    change.make(change.try_(burst="70")["version"], burst="70")

    with pytest.raises(ChangedMeanwhile):
        change.make(version, **asked)

    assert (change.now().plan, change.now().overrides) == ("pro", {"burst": 70})


def test_a_change_is_kept_in_the_trail(change: Change) -> None:
    change.make(change.try_(turns="60000")["version"], turns="60000")

    entry = change.entries()[0]

    assert (entry.who, entry.reason, entry.change.action) == (
        "console:ada",
        "ticket 7",
        "limits.changed",
    )
    assert entry.change.after == {"overrides": {"turns": 60_000}}


@pytest.mark.parametrize(
    "asked",
    [
        {"turns": "60000", "until": TOMORROW},
        {"overage_policy": "allow", "requests_per_second": "30"},
        {"plan": "scale", "turns": "unlimited"},
        {"plan": "free", "own": "drop"},
    ],
)
def test_the_command_makes_the_same_change(change: Change, asked: dict[str, str]) -> None:
    shown = change.try_(**asked)
    words = shown["command"].removeprefix("flask ").split()

    result = change.app.test_cli_runner().invoke(args=words)

    assert result.exit_code == 0, result.output
    after = change.now()
    other = Change(change.app)
    other.make(other.try_(**asked)["version"], **asked)
    assert (after.plan, after.limits) == (other.now().plan, other.now().limits)
    assert after.temporary_limits == other.now().temporary_limits
