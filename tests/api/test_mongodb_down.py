"""MongoDB's breaker over HTTP: routes that fail, routes that answer, errors that do not count."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from flask import Flask
from pymongo.errors import ExecutionTimeout, NetworkTimeout, WTimeoutError
from werkzeug.test import TestResponse

from app.backends.backend import Backend
from app.backends.breaker import FAILURES_COUNT, Breaker
from app.http.application import provided
from app.interactions.store import InteractionStore
from tests.callers import LIST, TURNS, Caller, error_of, new_caller, reserve
from tests.servers import OPERATOR_TOKEN, wait_until
from tests.turns import body, reservation


class Unavailable:
    """Replaces a collection and raises `error` at each use."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.calls_count = 0
        self.is_available = False

    def probe(self) -> None:
        if not self.is_available:
            raise self.error

    def __getattr__(self, name: str) -> Any:
        self.calls_count += 1
        raise self.error


@pytest.fixture
def caller(memory_app: Flask) -> Caller:
    return new_caller(memory_app)


@pytest.fixture
def breaker(memory_app: Flask) -> Breaker:
    with memory_app.app_context():
        found: Breaker = provided(Backend).mongodb_breaker
    return found


@contextmanager
def unavailable_database(app: Flask) -> Iterator[Unavailable]:
    """Make the database unavailable for the block, in which its breaker probes once at most."""
    with app.app_context():
        store, breaker = provided(InteractionStore), provided(Backend).mongodb_breaker
    broken_rows, is_over = Unavailable(NetworkTimeout("frozen")), Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(breaker, "_probe", broken_rows.probe)
        patch.setattr(breaker, "_pause", lambda _: is_over.wait(60))
        patch.setattr(store, "_rows", broken_rows)
        try:
            yield broken_rows
        finally:
            broken_rows.is_available = True
            is_over.set()
            wait_until(lambda: not breaker._is_probing)


@pytest.fixture
def rows(memory_app: Flask) -> Iterator[Unavailable]:
    with unavailable_database(memory_app) as broken_rows:
        yield broken_rows


def open_breaker(caller: Caller, breaker: Breaker) -> None:
    """Fail requests until the breaker is open."""
    for _ in range(FAILURES_COUNT):
        caller.list_()
    wait_until(lambda: breaker.is_open)


@pytest.mark.parametrize("error", [NetworkTimeout("frozen"), WTimeoutError("no majority")])
def test_after_five_outages_no_request_reaches_mongodb(
    caller: Caller, rows: Unavailable, breaker: Breaker, error: Exception
) -> None:
    rows.error = error
    for _ in range(FAILURES_COUNT):
        assert caller.record(body()).status_code == 503
    wait_until(lambda: breaker.is_open)
    calls_count = rows.calls_count
    charged = caller.counters()["turns_used"]
    # The identity is cached, so authentication alone would succeed.
    for answer in (caller.record(body()), caller.list_(), caller("GET", "/v1/me")):
        assert (answer.status_code, error_of(answer)["code"]) == (503, "service_unavailable")
        assert answer.headers["Retry-After"] == "1"
    assert rows.calls_count == calls_count
    assert caller.counters()["turns_used"] == charged


def test_reserving_completing_and_cancelling_are_unavailable(
    caller: Caller, memory_app: Flask, breaker: Breaker
) -> None:
    first, other = (
        reserve(caller, reservation(turn_id)).get_json()["interaction_id"]
        for turn_id in ("turn_a", "turn_c")
    )
    payload = {
        name: value for name, value in body(turn_id="turn_a").items() if name != "occurred_at"
    }

    def ask() -> list[TestResponse]:
        return [
            reserve(caller, reservation("turn_b")),
            caller("PUT", f"{TURNS}/{first}", json=payload),
            caller("DELETE", f"{TURNS}/{other}"),
        ]

    with unavailable_database(memory_app) as broken_rows:
        answers = ask()
        open_breaker(caller, breaker)
        calls_count = broken_rows.calls_count
        answers += ask()
        assert broken_rows.calls_count == calls_count
    for answer in answers:
        assert (answer.status_code, error_of(answer)["code"]) == (503, "service_unavailable")
        assert answer.headers["Retry-After"] == "1"
    assert caller.rows_count() == 0


def test_routes_without_a_database_still_answer(
    caller: Caller, rows: Unavailable, breaker: Breaker
) -> None:
    open_breaker(caller, breaker)
    client = caller.app.test_client()
    for path in ("/healthz", "/v1/billing/plans", "/openapi.json", "/", "/docs", "/docs/errors"):
        assert client.get(path).status_code == 200, path
    operator = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    assert client.get("/metrics", headers=operator).status_code == 200
    assert client.get("/v1/me").status_code == 401
    ready = client.get("/readyz")
    assert (ready.status_code, ready.get_json()["stores"]["mongodb"]) == (503, "down")


def test_an_outage_is_not_charged_to_the_address(
    caller: Caller, rows: Unavailable, breaker: Breaker
) -> None:
    open_breaker(caller, breaker)
    assert "X-RateLimit-Limit" not in caller.list_().headers


def test_a_slow_query_opens_no_breaker(caller: Caller, rows: Unavailable) -> None:
    rows.error = ExecutionTimeout("operation exceeded time limit")
    for _ in range(2 * FAILURES_COUNT):
        assert caller.list_().status_code == 503
    assert caller("GET", "/v1/me").status_code == 200


def test_outages_open_no_breaker_while_its_probe_succeeds(
    caller: Caller, rows: Unavailable, breaker: Breaker
) -> None:
    rows.is_available = True  # the probe asks for little, so it succeeds
    for _ in range(2 * FAILURES_COUNT):
        assert caller.list_().status_code == 503
    wait_until(lambda: not breaker._is_probing)
    assert caller("GET", "/v1/me").status_code == 200


def test_the_breaker_closes_once_a_probe_has_succeeded(
    caller: Caller, memory_app: Flask, breaker: Breaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with memory_app.app_context():
        store = provided(InteractionStore)
    broken_rows = Unavailable(NetworkTimeout("frozen"))
    monkeypatch.setattr(breaker, "_probe", broken_rows.probe)
    monkeypatch.setattr(breaker, "_pause", lambda _: Event().wait(0.01))
    with monkeypatch.context() as broken:
        broken.setattr(store, "_rows", broken_rows)
        open_breaker(caller, breaker)
    assert caller("GET", LIST).status_code == 503
    broken_rows.is_available = True
    wait_until(lambda: caller("GET", LIST).status_code == 200)
