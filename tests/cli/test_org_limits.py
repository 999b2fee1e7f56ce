"""`flask org raise`, and what `set-plan` does with limits of an organization's own."""

from collections.abc import Callable
from typing import Any

import pytest

from app.http.instants import day_of_ms
from tests.callers import Clock
from tests.cli.conftest import Run

Answer = Callable[..., Any]
UNTIL = "2999-01-01"
UNTIL_MS = "2999-01-01T00:00:00.000Z"


def test_a_raise_changes_what_is_named_and_answers_before_and_after(
    answer: Answer, organization_id: str
) -> None:
    before = answer("org", "set-plan", organization_id, "pro", "--burst", "7")
    words = ("--turns", "60_000", "--overage", "allow")

    after = answer("org", "raise", organization_id, *words)

    assert after.pop("changes") == [
        {"limit": "turns", "before": 50_000, "after": 60_000, "until": None},
        {"limit": "overage_policy", "before": "block", "after": "allow", "until": None},
    ]
    changed = {"turns": 60_000, "overage_policy": "allow", "uncharged_turns": 60_000}
    assert after["limits"] == before["limits"] | changed
    assert after["overrides"] == {"burst": 7, "turns": 60_000, "overage_policy": "allow"}
    assert answer("org", "show", organization_id) == after


def test_a_temporary_raise_is_shown_with_its_end_and_ends(
    answer: Answer, run: Run, organization_id: str, clock: Clock
) -> None:
    words = ("--turns", "60000", "--until", at_day(clock, 2))

    raised = answer("org", "raise", organization_id, *words)

    until = f"{at_day(clock, 2)}T00:00:00.000Z"
    assert raised["temporary_limits"] == {"turns": {"value": 60_000, "until": until}}
    assert raised["changes"][0]["until"] == until
    assert f"turns until {until}" in run("org", "show", organization_id).stdout
    clock.move(s=3 * 86_400)
    ended = answer("org", "show", organization_id)
    assert (ended["limits"]["turns"], ended["temporary_limits"]) == (50_000, {})


def at_day(clock: Clock, days: int) -> str:
    """Return a day as an operator types it."""
    return day_of_ms(clock.now_ms + days * 86_400_000)


def test_the_table_fits_eighty_columns(run: Run, organization_id: str) -> None:
    words = ("--active-relationships", "unlimited", "--turns", "1_000_000_000")

    result = run("org", "raise", organization_id, *words, "--until", UNTIL)

    assert result.exit_code == 0, result.output
    assert "2,500" in result.stdout
    assert "unlimited" in result.stdout
    assert UNTIL_MS in result.stdout
    assert max(len(line.rstrip()) for line in result.stdout.splitlines()) <= 80


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), "Name at least one limit"),
        (("--turns", "_1"), "--turns"),
        (("--turns", "5", "--until", "tomorrow"), "2026-11-23T18:00:00Z"),
        (("--turns", "5", "--until", "2026-02-30"), "no date"),
    ],
)
def test_a_wrong_raise_is_a_usage_error_that_names_what_would_do(
    run: Run, organization_id: str, words: tuple[str, ...], names: str
) -> None:
    result = run("org", "raise", organization_id, *words)

    assert result.exit_code == 2
    assert names in result.stderr


def test_an_end_in_the_past_is_refused(run: Run, organization_id: str) -> None:
    result = run("org", "raise", organization_id, "--turns", "5", "--until", "2020-01-01")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "must be in the future" in result.stderr


def test_set_plan_names_what_it_would_drop_and_asks(
    run: Run, answer: Answer, organization_id: str
) -> None:
    answer("org", "raise", organization_id, "--turns", "9")
    answer("org", "raise", organization_id, "--burst", "9", "--until", UNTIL)

    refused = run("org", "set-plan", organization_id, "scale")

    assert (refused.exit_code, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert "turns, burst" in line
    assert "--keep-limits" in line
    assert "--reset-limits" in line


@pytest.mark.parametrize(
    ("choice", "turns", "burst"), [("--keep-limits", 9, 9), ("--reset-limits", 1_000_000, 200)]
)
def test_set_plan_keeps_or_drops_own_limits(
    answer: Answer, organization_id: str, choice: str, turns: int, burst: int
) -> None:
    answer("org", "raise", organization_id, "--turns", "9")
    answer("org", "raise", organization_id, "--burst", "9", "--until", UNTIL)

    limits = answer("org", "set-plan", organization_id, "scale", choice)["limits"]

    assert (limits["turns"], limits["burst"]) == (turns, burst)
