"""The limits over HTTP, with several worker processes in front of one Redis."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import floor
from threading import Event
from typing import Any
from uuid import uuid4

import httpx
import pytest
from flask import Flask
from redis import Redis

from tests.callers import LIST, TURNS, at_once, http_client, new_caller, redis_of
from tests.servers import RunningService
from tests.turns import at, body, reservation, stateful

Service = tuple[RunningService, Flask]
# A new connection of a client begins with them.
GREETINGS = {"SELECT", "CLIENT"}


@dataclass(frozen=True)
class Refusal:
    """A refused request, the number admitted before it, and two instants around it."""

    answer: httpx.Response
    admitted_count: int
    before_us: int
    after_us: int


def until_refused(
    ask: Callable[[], httpx.Response], clock: Callable[[], int] = lambda: 0
) -> Refusal:
    """Repeat a request until it is refused; AssertionError after a minute."""
    deadline_s, admitted_count = time.monotonic() + 60, 0
    while time.monotonic() < deadline_s:
        before_us, answer, after_us = clock(), ask(), clock()
        if answer.status_code == 429:
            return Refusal(answer, admitted_count, before_us, after_us)
        assert answer.status_code == 200, answer.text
        admitted_count += 1
    raise AssertionError(f"{admitted_count} admitted in a minute and none refused")


@dataclass
class Calls:
    """Commands that Redis got from outside, and those that its scripts called, by name."""

    from_outside: Counter[str]
    of_scripts: Counter[str]


@contextmanager
def monitored(redis: Redis) -> Iterator[Calls]:
    """Record the commands that arrive during the block, but those that flush minutes and days.

    A worker flushes them every two seconds in the background, whatever is requested meanwhile.
    """
    calls, end = Calls(Counter(), Counter()), uuid4().hex
    with redis.monitor() as monitor:
        yield calls
        redis.echo(end)
        for line in monitor.listen():
            name, *words = line["command"].split(" ")
            if words == [end]:
                return
            of_minutes = bool(words) and words[0].startswith(("minutes:", "refused:"))
            if not of_minutes and name.upper() not in GREETINGS:
                is_inside = line["client_type"] == "lua"
                (calls.of_scripts if is_inside else calls.from_outside)[name.upper()] += 1


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ("list", 200),
        ("me", 200),
        ("record", 201),
        ("record the same", 200),
        ("batch", 200),
        ("malformed", 400),
        ("out of range", 400),
        ("reserve", 201),
    ],
)
def test_a_request_is_one_call_to_redis(
    common_service: Service, operation: str, status: int
) -> None:
    service, app = common_service
    caller = new_caller(app)
    same = stateful()
    requests: dict[str, Callable[[httpx.Client], httpx.Response]] = {
        "list": lambda client: client.get(LIST),
        "me": lambda client: client.get("/v1/me"),
        "record": lambda client: client.post(LIST, json=stateful()),
        "record the same": lambda client: client.post(LIST, json=same),
        "batch": lambda client: client.post(f"{LIST}/batch", json={"interactions": [body()] * 3}),
        "reserve": lambda client: client.post(TURNS, json=reservation()),
        "out of range": lambda client: client.post(LIST, json=at(0)),
        "malformed": lambda client: client.post(LIST, json={"text": "x"}),
    }

    with http_client(service, caller) as client, redis_of(service) as redis:
        # From now on the script, the quota and the identity are loaded.
        client.post(LIST, json=same)
        with monitored(redis) as calls:
            statuses = {requests[operation](client).status_code for _ in range(40)}

    assert statuses == {status}
    assert calls.of_scripts["TIME"] == 40
    # An instant out of range is checked by one more TIME.
    more = {"TIME": 40} if operation == "out of range" else {}
    assert calls.from_outside == {"EVALSHA": 40, **more}


def test_a_lone_client_that_waits_exactly_retry_after_is_admitted_100_times_of_100(
    several_workers: Service,
) -> None:
    service, app = several_workers
    callers = [
        new_caller(app, requests_per_second=1 + number % 3, burst=1) for number in range(100)
    ]
    chance = random.Random(7)  # noqa: S311
    phases_s = [chance.uniform(0, 0.9) for _ in callers]

    with http_client(service) as client:

        def wait_and_retry(number: int) -> int:
            ask = lambda: client.get(LIST, headers=callers[number].headers)  # noqa: E731
            Event().wait(phases_s[number])
            refused = until_refused(ask).answer
            assert refused.json()["error"]["code"] == "rate_limit_exceeded"
            # This test is about real waits, so no test clock can replace Redis's.
            Event().wait(int(refused.headers["Retry-After"]))
            return ask().status_code

        statuses = at_once([lambda number=number: wait_and_retry(number) for number in range(100)])

    assert statuses == [200] * 100


def test_a_lone_client_of_full_batches_that_waits_exactly_retry_after_is_never_refused_twice(
    several_workers: Service,
) -> None:
    service, app = several_workers
    callers = [new_caller(app, "free") for _ in range(6)]
    chance = random.Random(13)  # noqa: S311
    phases_s = [chance.uniform(0, 0.9) for _ in callers]

    with http_client(service) as client:

        def send(number: int, turns: list[Any]) -> httpx.Response:
            headers = callers[number].headers
            return client.post(f"{LIST}/batch", json={"interactions": turns}, headers=headers)

        def send_back_to_back(number: int) -> list[int]:
            statuses = []
            Event().wait(phases_s[number])
            for _ in range(3):
                turns = [body(), *[{}] * 499]  # each counts, and bad ones are answered fast
                answer = send(number, turns)
                statuses.append(answer.status_code)
                if answer.status_code == 429:
                    assert answer.json()["error"]["details"]["tokens"] == 10
                    Event().wait(int(answer.headers["Retry-After"]))  # a real wait, as above
                    statuses.append(send(number, turns).status_code)
            return statuses

        sent = at_once([lambda number=number: send_back_to_back(number) for number in range(6)])

    for statuses in sent:
        assert statuses.count(200) == 3
        assert 429 in statuses
        assert (429, 429) not in pairwise(statuses)


def test_a_client_that_waits_exactly_for_the_holds_to_expire_is_admitted(
    several_workers: Service,
) -> None:
    service, app = several_workers
    callers = [new_caller(app, "free", turns=3) for _ in range(12)]
    chance = random.Random(11)  # noqa: S311
    phases_s = [chance.uniform(0, 0.9) for _ in callers]

    with http_client(service) as client:

        def wait_and_retry(number: int) -> tuple[int, int]:
            cost, headers = 1 + number % 3, callers[number].headers
            for seconds in (10, 10, 11):
                held = client.post(TURNS, json=reservation(hold_seconds=seconds), headers=headers)
                assert held.status_code == 201
            Event().wait(phases_s[number])
            turn = body(usage={"turns_consumed": cost})
            refused = client.post(LIST, json=turn, headers=headers)
            assert refused.json()["error"]["code"] == "quota_exhausted"
            wait_s = int(refused.headers["Retry-After"])
            Event().wait(wait_s)  # a real wait, as above
            return wait_s, client.post(LIST, json=turn, headers=headers).status_code

        retried = at_once([lambda number=number: wait_and_retry(number) for number in range(12)])

    assert [status for _, status in retried] == [201] * 12
    assert all(9 <= wait_s <= 11 for wait_s, _ in retried)


def now_us(redis: Redis) -> int:
    """Read Redis's clock, by which buckets are refilled."""
    seconds, microseconds = redis.time()
    return seconds * 1_000_000 + microseconds


def count_admitted(client: httpx.Client, seconds: float) -> int:
    """Send requests from eight threads for `seconds`; return how many were admitted."""
    until_s = time.monotonic() + seconds

    def ask() -> int:
        count = 0
        while time.monotonic() < until_s:
            count += client.get("/v1/me").status_code == 200
        return count

    return sum(at_once([ask] * 8))


def test_several_workers_admit_burst_plus_rate_times_time_and_not_one_less(
    several_workers: Service,
) -> None:
    # A full bucket gains no tokens. This one takes five seconds to fill.
    rate, burst = 10, 50
    service, app = several_workers
    caller = new_caller(app, requests_per_second=rate, burst=burst)

    with http_client(service, caller) as client, redis_of(service) as redis:
        ask, clock = (lambda: client.get("/v1/me")), (lambda: now_us(redis))
        began_us = clock()
        of_burst_count = count_admitted(client, seconds=1)
        first = until_refused(ask, clock)
        refilled_count = count_admitted(client, seconds=2.5)
        last = until_refused(ask, clock)

    of_burst_count += first.admitted_count
    refilled_count += last.admitted_count
    most = burst + Fraction(rate * (first.after_us - began_us), 1_000_000)
    assert burst <= of_burst_count <= most
    # Both refusals found less than one token; each happened between the two instants around it.
    least = Fraction(rate * (last.before_us - first.after_us), 1_000_000) - 1
    most = Fraction(rate * (last.after_us - first.before_us), 1_000_000) + 1
    assert least < refilled_count < most


def test_remaining_is_never_negative_and_counts_down_by_one(several_workers: Service) -> None:
    service, app = several_workers
    caller = new_caller(app, requests_per_second=1, burst=40)

    with http_client(service, caller) as client, redis_of(service) as redis:
        began_us = now_us(redis)
        answers = at_once([lambda: client.get("/v1/me")] * 60)
        elapsed_us = now_us(redis) - began_us

    admitted = [answer for answer in answers if answer.status_code == 200]
    left = sorted(int(answer.headers["X-RateLimit-Remaining"]) for answer in admitted)
    assert 40 <= len(admitted) <= 40 + floor(elapsed_us / 1_000_000)
    assert {int(a.headers["X-RateLimit-Remaining"]) for a in answers if a.status_code == 429} == {0}
    # Each request takes one token, so every number below the burst is seen.
    assert set(left) == set(range(40))
