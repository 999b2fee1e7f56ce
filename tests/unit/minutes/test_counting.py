"""Answers counted in memory: by minute, bounded, and added once."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.backends.outages import RedisCircuitOpen
from app.minutes.counting import LOST, MOST_WAITING, MinuteCounter
from app.minutes.counts import MOST_NAMES, MinuteCounts
from app.minutes.model import OTHERS, Outcome, Refusal
from tests.unit.request_log.refusals import refusal

MINUTE = 1_795_963_860


class Storage:
    """Keeps what is added; raises `failure` while it is set."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.added: list[Mapping[int, MinuteCounts]] = []

    def add(self, by_minute: Mapping[int, MinuteCounts]) -> None:
        if self.failure:
            raise self.failure
        self.added.append(by_minute)


class NoThread:
    def __init__(self, _name: str, _flush: Callable[[], bool]) -> None:
        pass

    def wake(self) -> None:
        pass


class Redis:
    """A circuit breaker that tests open and close."""

    is_open = False

    def require_closed(self) -> None:
        if self.is_open:
            raise RedisCircuitOpen


def lost_count(reason: str) -> float:
    return LOST.labels(reason)._value.get()


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture
def redis() -> Redis:
    return Redis()


@pytest.fixture
def now_s() -> list[float]:
    return [MINUTE + 59.9]


@pytest.fixture
def counter(storage: Any, redis: Redis, now_s: list[float]) -> MinuteCounter:
    make: Any = NoThread
    return MinuteCounter(
        storage, require_redis=redis.require_closed, now_s=lambda: now_s[0], make_flusher=make
    )


def test_answers_count_in_their_minute(
    counter: MinuteCounter, storage: Storage, now_s: list[float]
) -> None:
    counter.note(refusal(status=200))
    now_s[0] += 0.1
    counter.note(refusal())
    counter.note(refusal(None))
    assert counter.flush() is False

    (added,) = storage.added
    first, second = added[MINUTE], added[MINUTE + 60]
    assert first.outcomes[Outcome.ADMITTED] == sum(first.latencies) == 1
    assert second.outcomes[Outcome.RATE_LIMITED] == sum(second.latencies) == 2
    # A refused request without a key is of no organization.
    assert second.refusals == {Refusal("org_1", "rate"): 1}
    assert first.refusals == {}


def test_the_component_of_the_error_is_the_cause(counter: MinuteCounter, storage: Storage) -> None:
    counter.note(refusal()._replace(component="concurrency"))
    counter.note(refusal()._replace(error_code="quota_exhausted", component="turns"))
    counter.note(refusal(status=400)._replace(error_code="validation_error"))
    counter.flush()
    assert storage.added[0][MINUTE].refusals == {
        Refusal("org_1", "concurrency"): 1,
        Refusal("org_1", "turns"): 1,
    }


def test_a_health_check_shows_a_process_and_counts_as_nothing(
    counter: MinuteCounter, storage: Storage
) -> None:
    counter.note(refusal(status=200)._replace(endpoint="health.ready"))
    counter.flush()
    assert sum(storage.added[0][MINUTE].outcomes.values()) == 0


def test_a_minute_names_a_bounded_number_of_organizations_in_all_its_flushes(
    counter: MinuteCounter, storage: Storage, now_s: list[float]
) -> None:
    for number in range(MOST_NAMES + 30):
        counter.note(refusal(f"org_{number}"))
        if number % 10 == 0:
            counter.flush()
    counter.note(refusal("org_0"))
    counter.flush()
    refusals = [each for added in storage.added for each in added[MINUTE].refusals.elements()]
    names = {each.organization_id for each in refusals}
    assert names == {f"org_{number}" for number in range(MOST_NAMES)} | {OTHERS}
    assert refusals.count(Refusal(OTHERS, "rate")) == 30
    assert refusals.count(Refusal("org_0", "rate")) == 2
    now_s[0] += 1
    counter.note(refusal("org_79"))
    counter.flush()
    assert Refusal("org_79", "rate") in storage.added[-1][MINUTE + 60].refusals


def test_a_failed_flush_is_lost_and_never_repeated(
    counter: MinuteCounter, storage: Storage
) -> None:
    lost = lost_count("outage")
    storage.failure = RedisTimeoutError("")
    for _ in range(3):
        counter.note(refusal())
    assert counter.flush() is False
    assert lost_count("outage") == lost + 3
    storage.failure = None
    counter.flush()
    assert storage.added == [{}]


def test_a_flush_that_fails_for_another_reason_is_lost_and_reported(
    counter: MinuteCounter, storage: Storage
) -> None:
    lost = lost_count("error")
    storage.failure = AttributeError("")
    counter.note(refusal())
    with pytest.raises(AttributeError):  # the flusher counts and logs it
        counter.flush()
    assert lost_count("error") == lost + 1
    storage.failure = None
    counter.flush()
    assert storage.added == [{}]


def test_counts_wait_while_the_circuit_breaker_is_open_for_a_bounded_time(
    counter: MinuteCounter, storage: Storage, redis: Redis, now_s: list[float]
) -> None:
    lost = lost_count("waited")
    redis.is_open = True
    for _ in range(MOST_WAITING + 5):
        counter.note(refusal())
        assert counter.flush() is True
        now_s[0] += 60
    assert lost_count("waited") == lost + 5
    redis.is_open = False
    assert counter.flush() is False
    (added,) = storage.added
    assert sorted(added) == [MINUTE + 60 * (5 + number) for number in range(MOST_WAITING)]
