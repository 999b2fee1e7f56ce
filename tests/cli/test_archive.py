"""`flask archive`: rolls up, reports how late it is, and catches up after days of standstill."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from app.usage.store import UsageStore
from tests.callers import Caller, Clock
from tests.turns import DAY_MS, at, stateful

Answer = Callable[..., Any]
Run = Callable[..., Result]
DAYS = 10
NOTHING = {"turns": 0, "days": 0, "days_overtaken": 0, "days_failed": 0, "turns_set_aside": 0}


def totals(caller: Caller) -> dict[str, int]:
    """Return archived turns by day."""
    with caller.app.app_context():
        days = provided(UsageStore).days(caller.account, "", "9")
    return {day.day: day.rollup.total_turns for day in days}


def test_a_run_archives_all_that_is_open_and_says_how_much(
    clock: Clock, caller: Caller, answer: Answer
) -> None:
    caller.import_([at(clock.now_ms), at(clock.now_ms - DAY_MS)])

    assert answer("archive", "run") == NOTHING | {"turns": 2, "days": 2}
    assert answer("archive", "run") == NOTHING
    assert list(totals(caller).values()) == [1, 1]


def test_the_status_of_an_archive_with_nothing_to_do(answer: Answer) -> None:
    assert answer("archive", "status") == {
        "lag_s": 0,
        "sweep_age_s": None,
        "over_retained_turns": 0,
        "organizations_at_fault": 0,
        "at_fault": None,
        "set_aside_turns": 0,
        "open_turns": 0,
        "open_days": 0,
        "oldest_open_day": None,
        "set_aside": {},
    }


def test_an_archive_that_stood_still_for_ten_days_loses_nothing_and_catches_up(
    clock: Clock, caller: Caller, answer: Answer
) -> None:
    answer("archive", "run")
    turns_count = 0
    for day in range(1, DAYS + 1):
        clock.move(s=86_400)
        caller.import_(
            [at(clock.now_ms, latency_ms=day) for _ in range(day)], recorded_at_us=clock.now_us
        )
        turns_count += day

    late = answer("archive", "status")
    assert (late["lag_s"], late["open_turns"], late["open_days"]) == (
        DAYS * 86_400,
        turns_count,
        DAYS,
    )
    with caller.app.app_context():
        rows = provided(Backend).database["interactions"]
    assert rows.count_documents({"expires_at": {"$exists": True}}) == 0

    assert answer("archive", "run")["turns"] == turns_count

    assert sorted(totals(caller).values()) == list(range(1, DAYS + 1))
    after = answer("archive", "status")
    assert (after["lag_s"], after["open_turns"]) == (0, 0)


def test_turns_kept_beyond_181_days_are_an_alarm(
    clock: Clock, caller: Caller, answer: Answer
) -> None:
    caller.import_([at(clock.now_ms - 182 * DAY_MS), at(clock.now_ms - 180 * DAY_MS)])
    assert answer("archive", "status")["over_retained_turns"] == 1


def test_without_any_sweep_the_lag_is_the_age_of_what_waits(
    clock: Clock, caller: Caller, answer: Answer
) -> None:
    caller.import_([at(clock.now_ms)], recorded_at_us=clock.now_us)
    clock.move(s=120)
    assert answer("archive", "status")["lag_s"] == 120


def test_the_relationships_of_a_period_are_frozen_when_it_has_settled(
    clock: Clock, caller: Caller, answer: Answer
) -> None:
    period = caller.quota_period
    for relationship in ("rel_1", "rel_2", "rel_2"):
        turn = stateful(relationship, occurred_at=at(clock.now_ms)["occurred_at"])
        assert caller.record(turn).status_code == 201

    answer("archive", "run")
    assert frozen(caller) == []
    clock.move(s=40 * 86_400)
    answer("archive", "run")
    answer("archive", "run")

    assert frozen(caller) == [
        {"account": caller.account, "period": period, "active_relationships": 2}
    ]


def frozen(caller: Caller) -> list[dict[str, Any]]:
    with caller.app.app_context():
        periods = provided(Backend).database["usage_period"]
    return list(periods.find({"account": caller.account}, {"_id": 0}))


def test_the_table_is_for_people(run: Run) -> None:
    assert "lag_s" in run("archive", "status").output


@pytest.mark.parametrize("command", ["run", "status", "watch", "rebuild 2026-11-20"])
def test_without_indexes_there_is_one_line_with_the_next_step(
    memory_app: Flask, run: Run, command: str
) -> None:
    with memory_app.app_context():
        provided(Backend).database.drop_collection("usage_daily")
    result = run("archive", *command.split())
    assert result.exit_code == 1
    assert "flask --app wsgi db init" in result.output
    assert "Traceback" not in result.output


def test_a_failed_day_shows_in_the_exit_code(
    clock: Clock, caller: Caller, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller.import_([at(clock.now_ms)])
    monkeypatch.setattr(UsageStore, "commit", fail)
    result = run("archive", "run", "--json")
    assert result.exit_code == 1
    assert '"days_failed": 1' in result.output


def fail(*_: Any) -> bool:
    raise ValueError("no")
