"""Answers stay the same whichever maintenance jobs run, in any order and any number of times."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from app.http.instants import format_ms
from tests.callers import Caller, Clock, new_caller, reconcile
from tests.turns import DAY_MS, Body, at, stateful

pytestmark = pytest.mark.slow  # seconds of work

DAYS_COUNT = 45
JOBS_COUNT = 8
AGGREGATES = "/v1/interactions/aggregates"
USAGE = "/v1/usage/turns"


class Operator:
    """Runs the jobs of an operator and of the worker."""

    def __init__(self, caller: Caller, file: Path) -> None:
        self.caller = caller
        self._file = str(file)
        self.jobs: list[Callable[[], object]] = [
            lambda: self.type("archive", "run"),
            lambda: self.type("db", "init"),
            lambda: self.type("turns", "import", caller.organization.id, self._file),
            lambda: reconcile(caller.app),
        ]

    def type(self, *words: str) -> Result:
        result = self.caller.app.test_cli_runner().invoke(args=[*words])
        assert result.exit_code in (0, 1), result.output
        return result


def turns_of_days(days: int, now_ms: int) -> list[Body]:
    chance = random.Random(1)  # noqa: S311 (no secret)
    return [
        stateful(
            f"rel_{chance.randrange(4)}",
            f"u_{chance.randrange(3)}",
            occurred_at=format_ms(now_ms - day * DAY_MS),
            latency_ms=chance.randrange(9_999),
            personality_id=f"pers_{chance.randrange(3)}",
            status=chance.choice(["completed", "failed"]),
        )
        for day in range(1, days + 1)
        for _ in range(chance.randrange(4))
    ]


def ask(caller: Caller, path: str, **query: str) -> Any:
    answer = caller("GET", path, query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def usage_of(caller: Caller, span: dict[str, str]) -> list[Any]:
    groupings = ("day", "week", "month")
    return [ask(caller, USAGE, group_by=group, **span)["data"] for group in groupings]


def answers(caller: Caller, span: dict[str, str]) -> list[Any]:
    filters: list[dict[str, str]] = [{}, {"user_id": "u_1"}, {"relationship_id": "rel_2"}]
    groupings: list[dict[str, str]] = [{}, *({"group_by": g} for g in ("day", "week", "month"))]
    return [
        *usage_of(caller, span),
        *(ask(caller, AGGREGATES, **one, **two, **span) for one in filters for two in groupings),
        ask(caller, USAGE)["quota"],
        ask(caller, "/v1/usage/active-relationships"),
    ]


def expire(app: Flask) -> int:
    """Delete the expired turns, as the TTL index does later; return their number."""
    with app.app_context():
        rows = provided(Backend).database["interactions"]
    return int(rows.delete_many({"expires_at": {"$exists": True}}).deleted_count)


def test_answers_stay_before_and_after_the_turns_have_expired(
    app: Flask, clock: Clock, tmp_path: Path
) -> None:
    chance = random.Random(2)  # noqa: S311 (no secret)
    caller, today_ms = new_caller(app), clock.now_ms // DAY_MS * DAY_MS
    history, file = turns_of_days(DAYS_COUNT, today_ms), tmp_path / "turns.ndjson"
    file.write_text("\n".join(json.dumps(body) for body in history))
    operator = Operator(caller, file)
    operator.type("turns", "import", caller.organization.id, str(file))
    assert caller.record(at(clock.now_ms)).status_code == 201
    span = {"from": format_ms(today_ms - DAYS_COUNT * DAY_MS), "to": format_ms(today_ms)}
    first, usage = answers(caller, span), usage_of(caller, span)
    assert sum(day["total_turns"] for day in usage[0]) == len(history) > DAYS_COUNT

    for _ in range(JOBS_COUNT):
        clock.move(s=1)
        chance.choice(operator.jobs)()
        assert answers(caller, span) == first

    operator.type("archive", "run")
    clock.move(s=182 * 86_400)
    assert expire(app) == len(history) + 1
    for _ in range(JOBS_COUNT):
        clock.move(s=1)
        chance.choice(operator.jobs)()
        assert usage_of(caller, span) == usage
    assert caller.rows_count() == 0
