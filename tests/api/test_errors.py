"""Every error has the same envelope, the right headers, and no secrets."""

import json
from typing import Any

import pytest
from flask import Flask
from pymongo.errors import NetworkTimeout, OperationFailure, ServerSelectionTimeoutError
from redis.exceptions import ResponseError
from werkzeug.test import TestResponse

from app.admission.gate import Gate
from app.http.application import provided
from app.interactions.store import InteractionStore
from app.tenancy.model import Scope
from tests.callers import LIST, Caller, Clock, error_of, new_caller
from tests.turns import body

CANARY = "canary4711"
RATE = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
QUOTA = {
    *("X-Quota-Turns-Used", "X-Quota-Turns-Limit", "X-Quota-Reset"),
    *("X-Quota-Active-Relationships-Used", "X-Quota-Active-Relationships-Limit"),
}
ENVELOPE = {"code", "message", "type", "request_id", "details", "documentation_url"}


class Broken:
    """Replaces a store or a gate and raises the given error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error


def break_ledger(app: Flask, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    with app.app_context():
        store = provided(InteractionStore)
    monkeypatch.setattr(store, "_rows", Broken(error))


def break_gate(app: Flask, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    with app.app_context():
        gate = provided(Gate)
    monkeypatch.setattr(gate, "_script", Broken(error))


def assert_unspecific(answer: TestResponse, log: str, status: int, code: str) -> None:
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (status, code)
    assert set(error) == ENVELOPE
    assert error["request_id"] == answer.headers["X-Request-Id"]
    assert CANARY not in answer.text
    assert CANARY not in log


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(CANARY),
        KeyError(CANARY),
        OperationFailure(CANARY, 2),
        RecursionError(CANARY),
        ResponseError(CANARY),
    ],
)
@pytest.mark.parametrize("break_", [break_ledger, break_gate])
def test_an_unexpected_error_is_a_500_with_a_fixed_message(
    memory_app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    break_: Any,
    error: Exception,
) -> None:
    caller = new_caller(memory_app)
    break_(memory_app, monkeypatch, error)

    answer = caller.list_()

    log = capsys.readouterr().out
    assert_unspecific(answer, log, 500, "internal_error")
    assert error_of(answer)["message"] == "Something went wrong on our side."
    (logged,) = [line for line in map(json.loads, log.splitlines()) if line["level"] == "error"]
    assert logged["error"] == type(error).__name__
    assert logged["requestId"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("error", [ServerSelectionTimeoutError(CANARY), NetworkTimeout(CANARY)])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unavailable_ledger_is_a_503_with_retry_after(
    memory_app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    method: str,
) -> None:
    caller = new_caller(memory_app)
    break_ledger(memory_app, monkeypatch, error)

    answer = caller.list_() if method == "GET" else caller.record(body())

    assert_unspecific(answer, capsys.readouterr().out, 503, "service_unavailable")
    assert answer.headers["Retry-After"] == "1"


def test_an_unknown_outcome_stays_charged_until_it_is_reconciled(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = new_caller(memory_app)
    payload = body()
    with monkeypatch.context() as broken:
        break_ledger(memory_app, broken, NetworkTimeout(CANARY))
        # The counters are loaded through another client, so only the insert fails.
        assert caller.record(payload).status_code == 503
    counted = caller.counters()["turns_used"]

    again = caller.record(payload)

    assert (counted, again.status_code) == (1, 201)
    assert caller.counters()["turns_used"] == caller.rows_count() == 1


def spent(caller: Caller) -> TestResponse:
    caller.record(body())
    return caller.record(body())


def emptied(caller: Caller) -> TestResponse:
    return [caller.list_() for _ in range(9)][-1]


HEADER_SETS: list[tuple[str, int, Any, set[str]]] = [
    ("200", 200, lambda caller: caller.list_(), RATE),
    ("400", 400, lambda caller: caller.list_(limit="0"), RATE),
    ("404", 404, lambda caller: caller("GET", f"{LIST}/int_x"), RATE),
    ("413", 413, lambda caller: caller.record({"a": "x" * 300_000}), RATE),
    ("201", 201, lambda caller: caller.record(body()), RATE | QUOTA),
    ("quota", 429, spent, RATE | QUOTA | {"Retry-After"}),
    ("rate", 429, emptied, RATE | QUOTA | {"Retry-After"}),
]


@pytest.mark.parametrize(
    ("status", "ask", "wanted"), [each[1:] for each in HEADER_SETS], ids=[e[0] for e in HEADER_SETS]
)
def test_each_status_has_the_headers_that_the_contract_gives_it(
    app: Flask, clock: Clock, status: int, ask: Any, wanted: set[str]
) -> None:
    clock.move(ms=1)  # then the clock stands still, so that the bucket is not refilled
    answer = ask(new_caller(app, "free", turns=1, requests_per_second=1, burst=8))

    shown = set(answer.headers.keys()) & (RATE | QUOTA | {"Retry-After"})
    assert (answer.status_code, shown) == (status, wanted)
    assert len(answer.headers["X-Request-Id"]) == 26


def test_a_403_shows_the_quota_although_none_was_loaded(app: Flask) -> None:
    answer = new_caller(app, "free", scope=Scope.READ).record(body())

    assert answer.status_code == 403
    assert set(answer.headers.keys()) >= RATE | QUOTA
    assert "Retry-After" not in answer.headers
