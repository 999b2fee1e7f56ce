"""`flask request`: a support ticket from its `X-Request-Id`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from ulid import ULID
from werkzeug.test import TestResponse

from app.http.application import provided
from app.request_log.recorder import MOST_OF_ORGANIZATION
from app.tenancy.service import Organizations
from tests.background import flush_background
from tests.callers import Caller
from tests.turns import body

Run = Callable[..., Result]
Answer = Callable[..., Any]
COLUMNS_COUNT = 80


def id_of(answer: TestResponse) -> str:
    return answer.headers["X-Request-Id"]


def test_a_refused_request_is_explained(caller: Caller, answer: Answer) -> None:
    refused = caller.record(body(latency_ms=-1, secret="a word"))
    assert refused.status_code == 400
    flush_background(caller.app)

    shown = answer("request", id_of(refused))

    ticket, at = shown.pop("ticket"), shown.pop("at")
    hint, duration_ms = shown.pop("key_hint"), shown.pop("duration_ms")
    assert shown == {
        "id": id_of(refused),
        "method": "POST",
        "route": "/v1/interactions",
        "status": 400,
        "error_code": "validation_error",
        "why": "A parameter or a field of the body is wrong; details names each.",
        "fields": ["latency_ms", "(unknown)"],
        "retry_after_s": None,
        "organization": caller.organization.id,
        "organization_name": "Acme",
        "key": shown["key"],
        "key_label": None,
    }
    assert shown["key"].startswith("key_")
    assert caller.token.startswith(hint.rstrip("."))
    assert at.startswith(datetime.now(UTC).strftime("%Y-%m-"))
    assert duration_ms > 0
    assert "was answered with 400 validation_error" in ticket
    assert "Wrong: latency_ms, (unknown)." in ticket
    assert "<" not in ticket


def test_a_refusal_without_a_key_has_no_organization(memory_app: Flask, answer: Answer) -> None:
    refused = memory_app.test_client().get("/v1/me")
    flush_background(memory_app)
    shown = answer("request", id_of(refused).lower())
    assert (shown["status"], shown["organization"], shown["key"]) == (401, None, None)


def test_the_wait_of_a_429_is_kept(memory_app: Flask, caller: Caller, answer: Answer) -> None:
    with memory_app.app_context():
        limits = {"requests_per_second": 1, "burst": 1}
        provided(Organizations).set_plan(caller.organization.id, "enterprise", limits)
    answers = [caller("GET", "/v1/me") for _ in range(3)]
    assert answers[-1].status_code == 429
    flush_background(memory_app)
    shown = answer("request", id_of(answers[-1]))
    assert shown["retry_after_s"] == int(answers[-1].headers["Retry-After"])
    assert "Retry-After was 1 s." in shown["ticket"]


def test_the_table_fits_80_columns(
    caller: Caller, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = caller("GET", "/v1/interactions?limit=0")
    flush_background(caller.app)
    monkeypatch.setattr("app.cli.tables._PIPE_COLUMNS", COLUMNS_COUNT)
    shown = run("request", id_of(refused)).stdout
    assert max(map(len, shown.splitlines())) <= COLUMNS_COUNT
    assert id_of(refused) in shown


def test_an_unknown_request_has_its_time_and_three_reasons(caller: Caller, run: Run) -> None:
    admitted = caller("GET", "/v1/me")
    flush_background(caller.app)

    result = run("request", id_of(admitted))

    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    made_at = ULID.from_str(id_of(admitted)).datetime
    assert made_at.strftime("%Y-%m-%dT%H:%M:%S") in line
    for number in ("(1)", "(2)", "(3)"):
        assert number in line
    assert "below 400" in line


def test_one_of_a_flood_is_said_to_be_left_out(caller: Caller, run: Run) -> None:
    answers = [caller("GET", "/v1/interactions?limit=0") for _ in range(MOST_OF_ORGANIZATION + 7)]
    flush_background(caller.app)
    assert run("request", id_of(answers[0])).exit_code == 0
    result = run("request", id_of(answers[-1]))
    assert result.exit_code == 1
    # The minute may have ended in between.
    assert "requests of that minute's flood" in result.stderr or "though none" in result.stderr


def test_an_old_id_has_one_reason(run: Run) -> None:
    old = str(ULID.from_datetime(datetime.now(UTC) - timedelta(days=15)))
    result = run("request", old)
    assert result.exit_code == 1
    assert "14 days (REQUEST_LOG_DAYS)" in result.stderr
    assert "(1)" not in result.stderr


@pytest.mark.parametrize("word", ["mine-1", "", "01M857WWT68H8HWGA8E1GFTHM9X", "é"])
def test_another_word_is_a_usage_error(run: Run, word: str) -> None:
    result = run("request", word)
    assert result.exit_code == 2
    assert "X-Request-Id" in result.stderr
