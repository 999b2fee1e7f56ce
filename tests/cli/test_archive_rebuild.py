"""`flask archive rebuild`: recomputes days, names those it refuses, and needs sound days."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from app.backends.backend import Backend
from app.http.application import provided
from app.http.instants import day_of_ms
from app.usage.archive import Archiver
from app.usage.store import UsageStore
from app.usage.totals import total
from tests.callers import Caller, Clock
from tests.cli.conftest import archived, raise_value_error
from tests.contract.usage.earlier import EarlierStore
from tests.turns import DAY_MS, at

Answer = Callable[..., Any]
Run = Callable[..., Result]
NOTHING = {"turns": 0, "days": 0, "days_failed": 0, "empty_days": None}


def archive_as_before(caller: Caller) -> None:
    """Archive as the release before breakdowns did."""
    with caller.app.app_context():
        Archiver(EarlierStore(provided(Backend).database)).run()


def complete_days(caller: Caller) -> dict[str, bool]:
    with caller.app.app_context():
        days = provided(UsageStore).days(caller.account, "", "9")
    return {day.day: total([day.rollup], "key").is_breakdown_complete for day in days}


def yesterday(clock: Clock) -> str:
    return day_of_ms(clock.now_ms - DAY_MS)


def test_days_of_an_earlier_release_get_their_breakdown(
    clock: Clock, caller: Caller, other: Caller, answer: Answer
) -> None:
    today = day_of_ms(clock.now_ms)
    for each in (caller, other):
        each.import_([at(clock.now_ms), at(clock.now_ms - DAY_MS)])
    archive_as_before(caller)
    days = sorted([today, yesterday(clock)])
    assert complete_days(caller) == dict.fromkeys(days, False)

    assert answer("archive", "rebuild", *days, *days) == NOTHING | {"turns": 4, "days": 4}

    assert complete_days(caller) == complete_days(other) == dict.fromkeys(days, True)
    assert (archived(caller), archived(other)) == (2, 2)


def test_with_an_organization_only_its_days_are_rebuilt(
    clock: Clock, caller: Caller, other: Caller, answer: Answer, run: Run
) -> None:
    for each in (caller, other):
        each.import_([at(clock.now_ms - DAY_MS)])
    archive_as_before(caller)
    chosen = ("--organization", caller.organization.id)

    found = answer("archive", "rebuild", yesterday(clock), *chosen)

    assert found == NOTHING | {"turns": 1, "days": 1}
    assert list(complete_days(caller).values()) == [True]
    assert list(complete_days(other).values()) == [False]
    unknown = run("archive", "rebuild", yesterday(clock), "--organization", "org_none")
    assert unknown.exit_code == 1
    assert "`flask org list` shows organizations" in unknown.stderr


def test_a_day_without_turns_is_reported(clock: Clock, caller: Caller, answer: Answer) -> None:
    caller.import_([at(clock.now_ms - DAY_MS)])
    answer("archive", "run")
    days = ["2030-01-01", yesterday(clock), day_of_ms(clock.now_ms)]
    assert answer("archive", "rebuild", *days) == {
        "turns": 1,
        "days": 1,
        "days_failed": 0,
        "empty_days": f"{day_of_ms(clock.now_ms)}, 2030-01-01",
    }


def test_a_refused_day_is_named_and_shows_in_the_exit_code(
    clock: Clock, caller: Caller, other: Caller, answer: Answer, run: Run
) -> None:
    for each in (caller, other):
        each.import_([at(clock.now_ms - DAY_MS), at(clock.now_ms - DAY_MS)])
    answer("archive", "run")
    with caller.app.app_context():
        provided(Backend).database["interactions"].delete_one({"account": caller.account})

    result = run("archive", "rebuild", yesterday(clock))

    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line == (
        f"{caller.account} {yesterday(clock)}: day not rebuilt. Only 1 of its 2 turns are still "
        "stored. The roll-up stays as it is."
    )
    assert "days_failed" in result.stdout
    assert (archived(caller), archived(other)) == (2, 2)


def test_a_failed_day_shows_in_the_exit_code(
    clock: Clock, caller: Caller, answer: Answer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller.import_([at(clock.now_ms - DAY_MS)])
    answer("archive", "run")
    monkeypatch.setattr(UsageStore, "fence", raise_value_error)
    result = run("archive", "rebuild", yesterday(clock), "--json")
    assert result.exit_code == 1
    assert '"days_failed": 1' in result.stdout
    assert result.stderr.endswith("day not rebuilt (ValueError). Run the command again.\n")
    assert "a secret" not in result.output


def test_a_day_whose_turns_expire_is_refused_before_anything_changes(
    clock: Clock, caller: Caller, answer: Answer, run: Run
) -> None:
    caller.import_([at(clock.now_ms - DAY_MS)])
    archive_as_before(caller)
    oldest = day_of_ms(clock.now_ms + 3_600_000 - 180 * DAY_MS)
    too_old = day_of_ms(clock.now_ms + 3_600_000 - 181 * DAY_MS)

    result = run("archive", "rebuild", yesterday(clock), too_old)

    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: The turns of {too_old} have expired, or will within the hour. Days from {oldest} "
        "on can be rebuilt. Nothing was changed.\n"
    )
    assert list(complete_days(caller).values()) == [False]
    assert answer("archive", "rebuild", oldest) == NOTHING | {"empty_days": oldest}


@pytest.mark.parametrize("day", ["yesterday", "2026-02-31", "2026-W47-1", "20261120", ""])
def test_a_day_of_no_calendar_is_a_usage_error(run: Run, day: str) -> None:
    result = run("archive", "rebuild", day)
    assert result.exit_code == 2
    assert "write it as 2026-11-23" in result.stderr


def test_a_rebuild_needs_a_day(run: Run) -> None:
    assert run("archive", "rebuild").exit_code == 2
