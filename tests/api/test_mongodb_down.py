"""MongoDB's breaker over HTTP: what closes, what stays open, and what does not count."""

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
from app.http.provide import provided
from app.interactions.store import InteractionStore
from tests.callers import LIST, TURNS, Caller, error_of, new_caller, reserve
from tests.servers import OPERATOR_TOKEN, wait_until
from tests.turns import asked, body


class Ill:
    """Stands where a collection stood."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.calls_count = 0
        self.is_well = False

    def probe(self) -> None:
        if not self.is_well:
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
def fallen_ill(app: Flask) -> Iterator[Ill]:
    """The database is ill for the block, in which its breaker probes once at most."""
    with app.app_context():
        store, breaker = provided(InteractionStore), provided(Backend).mongodb_breaker
    ill, is_over = Ill(NetworkTimeout("frozen")), Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(breaker, "_probe", ill.probe)
        patch.setattr(breaker, "_pause", lambda _: is_over.wait(60))
        patch.setattr(store, "_rows", ill)
        try:
            yield ill
        finally:
            ill.is_well = True
            is_over.set()
            wait_until(lambda: not breaker._is_probing)


@pytest.fixture
def rows(memory_app: Flask) -> Iterator[Ill]:
    with fallen_ill(memory_app) as ill:
        yield ill


def give_up(caller: Caller, breaker: Breaker) -> None:
    """Ask in vain until the breaker is open."""
    for _ in range(FAILURES_COUNT):
        caller.list_()
    wait_until(lambda: breaker.is_open)


@pytest.mark.parametrize("error", [NetworkTimeout("frozen"), WTimeoutError("no majority")])
def test_after_five_outages_nobody_asks_it_again(
    caller: Caller, rows: Ill, breaker: Breaker, error: Exception
) -> None:
    rows.error = error
    for _ in range(FAILURES_COUNT):
        assert caller.record(body()).status_code == 503
    wait_until(lambda: breaker.is_open)
    asked = rows.calls_count
    charged = caller.counters()["turns_used"]
    # The key is remembered, and would pass.
    for answer in (caller.record(body()), caller.list_(), caller("GET", "/v1/me")):
        assert (answer.status_code, error_of(answer)["code"]) == (503, "service_unavailable")
        assert answer.headers["Retry-After"] == "1"
    assert rows.calls_count == asked
    assert caller.counters()["turns_used"] == charged


def test_turns_are_neither_reserved_nor_completed_nor_cancelled_unseen(
    caller: Caller, memory_app: Flask, breaker: Breaker
) -> None:
    first, other = (
        reserve(caller, asked(turn_id)).get_json()["interaction_id"]
        for turn_id in ("turn_a", "turn_c")
    )
    told = {name: value for name, value in body(turn_id="turn_a").items() if name != "occurred_at"}

    def ask() -> list[TestResponse]:
        return [
            reserve(caller, asked("turn_b")),
            caller("PUT", f"{TURNS}/{first}", json=told),
            caller("DELETE", f"{TURNS}/{other}"),
        ]

    with fallen_ill(memory_app) as ill:
        answers = ask()
        give_up(caller, breaker)
        asked_count = ill.calls_count
        answers += ask()
        assert ill.calls_count == asked_count
    for answer in answers:
        assert (answer.status_code, error_of(answer)["code"]) == (503, "service_unavailable")
        assert answer.headers["Retry-After"] == "1"
    assert caller.rows_count() == 0


def test_what_needs_no_database_stays_open(caller: Caller, rows: Ill, breaker: Breaker) -> None:
    give_up(caller, breaker)
    client = caller.app.test_client()
    for path in ("/healthz", "/v1/billing/plans", "/openapi.json", "/docs/errors"):
        assert client.get(path).status_code == 200, path
    operator = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    assert client.get("/metrics", headers=operator).status_code == 200
    assert client.get("/v1/me").status_code == 401
    ready = client.get("/readyz")
    assert (ready.status_code, ready.get_json()["stores"]["mongodb"]) == (503, "down")


def test_an_address_does_not_pay_for_our_illness(
    caller: Caller, rows: Ill, breaker: Breaker
) -> None:
    give_up(caller, breaker)
    assert "X-RateLimit-Limit" not in caller.list_().headers


def test_a_query_that_takes_too_long_closes_nothing_for_the_others(
    caller: Caller, rows: Ill
) -> None:
    rows.error = ExecutionTimeout("operation exceeded time limit")
    for _ in range(2 * FAILURES_COUNT):
        assert caller.list_().status_code == 503
    assert caller("GET", "/v1/me").status_code == 200


def test_a_database_that_is_only_asked_too_much_closes_nothing(
    caller: Caller, rows: Ill, breaker: Breaker
) -> None:
    rows.is_well = True  # whoever asks for little gets it
    for _ in range(2 * FAILURES_COUNT):
        assert caller.list_().status_code == 503
    wait_until(lambda: not breaker._is_probing)
    assert caller("GET", "/v1/me").status_code == 200


def test_it_is_asked_again_once_a_probe_has_succeeded(
    caller: Caller, memory_app: Flask, breaker: Breaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with memory_app.app_context():
        store = provided(InteractionStore)
    ill = Ill(NetworkTimeout("frozen"))
    monkeypatch.setattr(breaker, "_probe", ill.probe)
    monkeypatch.setattr(breaker, "_pause", lambda _: Event().wait(0.01))
    with monkeypatch.context() as broken:
        broken.setattr(store, "_rows", ill)
        give_up(caller, breaker)
    assert caller("GET", LIST).status_code == 503
    ill.is_well = True
    wait_until(lambda: caller("GET", LIST).status_code == 200)
