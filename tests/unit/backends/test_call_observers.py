"""Observers of calls get the names of commands, and nothing of their arguments."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from app.backends.latency import MongodbLatency, begin, note_redis_call, observe_calls

Call = tuple[str, str, float, bool]


@pytest.fixture
def calls() -> Iterator[list[Call]]:
    """The calls that are observed."""
    found: list[Call] = []

    def observe(store: str, operation: str, duration_s: float, *, has_failed: bool) -> None:
        found.append((store, operation, duration_s, has_failed))

    observe_calls([observe])
    yield found
    observe_calls([])


@pytest.mark.parametrize(
    ("arguments", "operation"),
    [
        ((print, "EVALSHA", "digest", 1, "bucket:{org_1}"), "EVALSHA"),
        (("GET", "bucket:{org_1}"), "GET"),
        ((object(), [("HINCRBY", "minute", 1)]), "PIPELINE"),
    ],
)
def test_a_call_to_redis_has_the_name_of_its_command(
    calls: list[Call], arguments: tuple[Any, ...], operation: str
) -> None:
    note_redis_call(begin(), arguments, has_failed=True)
    ((store, found, duration_s, has_failed),) = calls
    assert (store, found, has_failed) == ("redis", operation, True)
    assert 0 <= duration_s < 60


def test_a_call_to_mongodb_has_its_duration_and_its_end(calls: list[Call]) -> None:
    event: Any = SimpleNamespace(command_name="find", duration_micros=1_500)
    MongodbLatency().succeeded(event)
    MongodbLatency().failed(event)

    assert calls == [("mongodb", "find", 0.0015, False), ("mongodb", "find", 0.0015, True)]


def test_every_other_observer_is_replaced(calls: list[Call]) -> None:
    observe_calls([])
    note_redis_call(begin(), ("GET",), has_failed=False)
    assert calls == []
