"""The limits over HTTP, with several worker processes in front of one Redis."""

import random
import time
from collections.abc import Callable
from math import floor
from threading import Event
from typing import Any

import httpx
import pytest
from flask import Flask

from tests.callers import LIST, at_once, hire, redis_of, wire
from tests.servers import RunningService
from tests.turns import body, stateful

Serve = Callable[..., tuple[RunningService, Flask]]
# What the script itself calls; the server counts these under their own names as well.
INSIDE = {
    *("time", "hget", "hmget", "hset", "hlen", "hdel", "hincrby", "hexists", "pexpire"),
    *("zadd", "zcard", "zrem", "zrangebyscore"),
}
OWN = {"info", "select", "client|setinfo"}


def calls(redis: Any) -> dict[str, int]:
    stats = redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): told["calls"] for name, told in stats.items()}


@pytest.mark.parametrize("operation", ["list", "me", "record", "record the same", "batch", "400"])
def test_a_request_is_one_call_to_redis(serve: Serve, operation: str) -> None:
    service, app = serve(workers_count=1)
    caller = hire(app)
    same = stateful()
    requests: dict[str, Callable[[httpx.Client], httpx.Response]] = {
        "list": lambda client: client.get(LIST),
        "me": lambda client: client.get("/v1/me"),
        "record": lambda client: client.post(LIST, json=stateful()),
        "record the same": lambda client: client.post(LIST, json=same),
        "batch": lambda client: client.post(f"{LIST}/batch", json={"interactions": [body()] * 3}),
        "400": lambda client: client.post(LIST, json={"text": "x"}),
    }

    with wire(service, caller) as client, redis_of(service) as redis:
        # The script, the quota and the identity are there from now on.
        client.post(LIST, json=same)
        before = calls(redis)
        statuses = {requests[operation](client).status_code for _ in range(40)}
        after = calls(redis)

    assert statuses < {200, 201, 400}
    made = {name: after[name] - before.get(name, 0) for name in after}
    from_outside = {
        name: count for name, count in made.items() if count and name not in INSIDE | OWN
    }
    assert from_outside == {"evalsha": 40}


def test_a_lone_client_that_waits_exactly_retry_after_is_admitted_100_times_of_100(
    serve: Serve,
) -> None:
    service, app = serve(workers_count=3)
    callers = [hire(app, requests_per_second=1 + number % 3, burst=1) for number in range(100)]
    chance = random.Random(7)  # noqa: S311
    phases_s = [chance.uniform(0, 0.9) for _ in callers]

    with wire(service) as client:

        def meet(number: int) -> int:
            ask = lambda: client.get(LIST, headers=callers[number].headers)  # noqa: E731
            Event().wait(phases_s[number])
            refused = ask()
            while refused.status_code == 200:
                refused = ask()
            assert refused.json()["error"]["code"] == "rate_limit_exceeded"
            # The waiting is what is tested here: no clock of ours can stand in for Redis's.
            Event().wait(int(refused.headers["Retry-After"]))
            return ask().status_code

        statuses = at_once([lambda number=number: meet(number) for number in range(100)])

    assert statuses == [200] * 100


def test_several_workers_admit_burst_plus_rate_times_time_and_not_one_less(serve: Serve) -> None:
    rate, burst, seconds = 40, 30, 2.5
    service, app = serve(workers_count=4)
    caller = hire(app, requests_per_second=rate, burst=burst)

    with wire(service, caller) as client:
        began_s = time.monotonic()
        assert client.get("/v1/me").status_code == 200
        first_answer_s = time.monotonic()

        def saturate() -> int:
            count = 0
            while time.monotonic() < began_s + seconds:
                count += client.get("/v1/me").status_code == 200
            return count

        admitted_count = 1 + sum(at_once([saturate] * 8))
        refused_s = time.monotonic()
        while client.get("/v1/me").status_code == 200:
            admitted_count += 1
            refused_s = time.monotonic()
        ended_s = time.monotonic()

    assert admitted_count <= burst + floor(rate * (ended_s - began_s))
    assert admitted_count >= burst + floor(rate * (refused_s - first_answer_s)) - 1


def test_remaining_is_never_negative_and_counts_down_by_one(serve: Serve) -> None:
    service, app = serve(workers_count=3)
    caller = hire(app, requests_per_second=1, burst=40)

    began_s = time.monotonic()
    with wire(service, caller) as client:
        answers = at_once([lambda: client.get("/v1/me")] * 60)
    elapsed_s = time.monotonic() - began_s

    admitted = [answer for answer in answers if answer.status_code == 200]
    left = sorted(int(answer.headers["X-RateLimit-Remaining"]) for answer in admitted)
    assert min(left) >= 0
    assert 40 <= len(admitted) <= 40 + floor(elapsed_s)
    assert {int(a.headers["X-RateLimit-Remaining"]) for a in answers if a.status_code == 429} == {0}
    assert left[-1] == 39
