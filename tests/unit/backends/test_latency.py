"""Calls of requests to the stores are measured, and no others."""

from typing import Any

import pytest
from flask import Flask
from redis.exceptions import ConnectionError as RedisConnectionError

from app.backends import latency
from app.backends.backend import Backend
from app.backends.breaker import Breaker
from app.backends.latency import CALLS
from app.backends.outages import RedisCircuitOpen
from app.backends.redis_guard import guarded
from app.http.application import provided


def calls_count(store: str) -> float:
    child: Any = CALLS.labels(store)
    return sum(bucket.get() for bucket in child._buckets)


@pytest.fixture(autouse=True)
def every_call(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure every call, but in the test of the sample."""
    if "sample" not in request.node.name:
        monkeypatch.setattr(latency, "SAMPLED_EVERY", 1)


def test_a_sample_of_calls_is_measured(breaker: Breaker) -> None:
    before = calls_count("redis")
    for _ in range(10 * latency.SAMPLED_EVERY):
        guarded(breaker, lambda: "done", (), {})
    assert calls_count("redis") - before == 10


@pytest.fixture
def breaker() -> Breaker:
    return Breaker("redis", lambda: None, RedisCircuitOpen, start=lambda _: None)


def test_calls_with_a_breaker_are_measured(breaker: Breaker) -> None:
    before = calls_count("redis")
    assert guarded(breaker, lambda: "done", (), {}) == "done"
    assert guarded(None, lambda: "done", (), {}) == "done"
    assert calls_count("redis") - before == 1


def test_failed_calls_are_measured_and_calls_that_are_not_sent_are_not(breaker: Breaker) -> None:
    def fail() -> None:
        raise RedisConnectionError

    before = calls_count("redis")
    with pytest.raises(RedisConnectionError):
        guarded(breaker, fail, (), {})
    breaker.is_open = True
    with pytest.raises(RedisCircuitOpen):
        guarded(breaker, fail, (), {})
    assert calls_count("redis") - before == 1


def test_commands_of_requests_to_mongodb_are_measured(live_app: Flask) -> None:
    with live_app.app_context():
        backend = provided(Backend)
    before = calls_count("mongodb")
    backend.database["organizations"].find_one()
    backend.maintenance_database["organizations"].find_one()
    assert calls_count("mongodb") - before == 1
