"""The service's idea of Redis's clock."""

import time
from typing import Never

import pytest
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeout

from app.admission.clock import LedgerClock, RequestClock
from tests.unit.admission.world import HOUR_US, NOON_US, SECOND_US, Hand

MINUTE_MS = 60_000
NOWHERE = "redis://127.0.0.1:1"


def test_clock_runs_on_from_the_last_reply() -> None:
    monotonic = Hand(5)
    clock = LedgerClock(Redis.from_url(NOWHERE), monotonic)
    clock.learn(NOON_US)
    monotonic.us += 7
    assert clock.now_us() == NOON_US + 7
    clock.learn(NOON_US - HOUR_US)
    assert clock.now_us() == NOON_US - HOUR_US


def test_first_question_goes_to_redis_once(memory_redis: Redis) -> None:
    monotonic = Hand(0)
    clock = LedgerClock(memory_redis, monotonic)
    first_us = clock.now_us()
    memory_redis.close()
    monotonic.us += 3
    assert clock.now_us() == first_us + 3
    assert abs(first_us - time.time_ns() // 1_000) < HOUR_US


def test_a_clock_that_asks_follows_redis_and_keeps_its_time_without(memory_redis: Redis) -> None:
    clock = LedgerClock(memory_redis, Hand(0))
    clock.learn(NOON_US - 1_000 * HOUR_US)
    assert clock.ask()
    assert abs(clock.now_us() - time.time_ns() // 1_000) < HOUR_US
    lost = LedgerClock(Redis.from_url(NOWHERE), Hand(0))
    lost.learn(NOON_US)
    assert not lost.ask()
    assert lost.now_us() == NOON_US


class Silent(Redis):
    """A Redis that is asked and does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_count = 0

    def time(self, **_: object) -> Never:
        self.asked_count += 1
        raise RedisTimeout


def test_a_clock_that_got_no_time_does_not_ask_again_for_a_second() -> None:
    redis, monotonic = Silent(), Hand(7)
    clock = LedgerClock(redis, monotonic)
    counts = []
    for pause_us in (0, 0, SECOND_US - 1, 1, 0):
        monotonic.us += pause_us
        clock.now_us()
        counts.append(redis.asked_count)
    assert counts == [1, 1, 1, 2, 2]


def test_without_redis_the_system_clock_stands_in_and_is_not_kept() -> None:
    clock = LedgerClock(Redis.from_url(NOWHERE), Hand(0))
    before_us = time.time_ns() // 1_000
    assert before_us <= clock.now_us() <= time.time_ns() // 1_000
    clock.learn(NOON_US)
    assert clock.now_us() == NOON_US


class Server(Redis):
    """A Redis whose clock is moved by hand, and which counts who asks for it."""

    def __init__(self, us: int) -> None:
        super().__init__()
        self.us = us
        self.asked_count = 0

    def time(self, **_: object) -> tuple[int, int]:
        self.asked_count += 1
        return divmod(self.us, SECOND_US)


def near(clock: RequestClock, instant_us: int) -> bool:
    return clock.is_near(instant_us // 1_000, oldest_ms=MINUTE_MS, ahead_ms=MINUTE_MS)


@pytest.mark.parametrize("jump_us", [-HOUR_US, HOUR_US])
def test_a_refusal_is_judged_by_the_time_that_redis_has_now(jump_us: int) -> None:
    server = Server(NOON_US)
    clock = LedgerClock(server, Hand(0))
    clock.learn(NOON_US)
    server.us += jump_us

    assert near(RequestClock(clock), server.us)
    assert clock.now_us() == server.us
    assert server.asked_count == 1


def test_redis_is_asked_once_for_a_request_and_only_before_a_refusal() -> None:
    server = Server(NOON_US)
    clock = LedgerClock(server, Hand(0))
    clock.learn(NOON_US)
    good, bad = RequestClock(clock), RequestClock(clock)

    assert [near(good, NOON_US) for _ in range(3)] == [True] * 3
    assert server.asked_count == 0
    assert [near(bad, NOON_US + HOUR_US) for _ in range(500)] == [False] * 500
    assert near(bad, NOON_US)
    assert server.asked_count == 1


def test_a_reply_from_before_a_step_does_not_outweigh_the_answer() -> None:
    """Let another thread parse a late reply between the answer and the judgement."""
    server = Server(NOON_US)
    clock = LedgerClock(server, Hand(0))
    clock.learn(NOON_US)
    of_request = RequestClock(clock)
    server.us += HOUR_US
    assert not near(of_request, NOON_US + 2 * HOUR_US)
    clock.learn(NOON_US)
    assert near(of_request, server.us)


def test_the_known_time_stands_while_redis_does_not_answer() -> None:
    silent, monotonic = Silent(), Hand(0)
    clock = LedgerClock(silent, monotonic)
    clock.learn(NOON_US)

    assert [near(RequestClock(clock), NOON_US + HOUR_US) for _ in range(50)] == [False] * 50
    assert near(RequestClock(clock), NOON_US)
    assert silent.asked_count == 1
    monotonic.us += SECOND_US
    assert clock.fresh_now_us() == NOON_US + SECOND_US
    assert silent.asked_count == 2
