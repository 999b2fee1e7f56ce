"""Replies of Redis are lost, cut, reset and late: none is given to the wrong request.

Organizations with different limits send alternately over the same few connections. A reply to the
wrong one shows in the limits of rate and quota, and in the organization of `/v1/me`.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from app.backends.backend import Backend
from app.http.application import provided
from tests.callers import Caller, app_on, at_once, new_caller, reconcile
from tests.faults.kit.load import has_quota
from tests.faults.kit.proxy import Fault, Proxy, proxy_to
from tests.turns import stateful

SENDERS_COUNT = 4
TIMEOUT_MS = 100
# Each breaks one reply of seven; a late one comes after the client's time-out.
FAULTS = [(Fault.CUT, 0), (Fault.CUT, 2), (Fault.HALF, 0), (Fault.RESET, 0), (Fault.RESET, 3)]
LATE = (Fault.DELAY, TIMEOUT_MS * 3 // 2)
EVERY = 7
REQUESTS_PER_FAULT = 50


class Senders:
    """Senders that call for each organization in turn, and check that the answer is its own."""

    def __init__(self, callers: list[Caller], proxy: Proxy, requests_count: int) -> None:
        self._callers, self._proxy = callers, proxy
        self._left = list(range(requests_count))
        self._lock = Lock()
        self._chance = random.Random(7)  # noqa: S311 - no secret
        self.without_redis_count = 0
        self.accepted = {caller.account: 0 for caller in callers}

    def send(self) -> int:
        """Send until all requests are sent; return their number."""
        count = 0
        while (number := self._next()) is not None:
            caller = self._callers[number % len(self._callers)]
            (self._record if number // 2 % 2 else self._ask_who)(caller, number // 4)
            count += 1
        return count

    def _next(self) -> int | None:
        with self._lock:
            if not self._left:
                return None
            number = self._left.pop()
            if number % REQUESTS_PER_FAULT == 0:
                chosen = self._chance.choice([*FAULTS, LATE])
                self._proxy.set(*chosen, every=EVERY)
            return number

    def _ask_who(self, caller: Caller, number: int) -> None:
        answer = self._answered(caller("GET", "/v1/me"), caller)
        assert answer.get_json()["organization"]["id"] == caller.organization.id

    def _record(self, caller: Caller, number: int) -> None:
        recording = stateful(f"rel_{number % 9}", personality_id=f"pers_{number}")
        answer = self._answered(caller.record(recording), caller)
        assert answer.get_json()["personality_id"] == recording["personality_id"]
        with self._lock:
            self.accepted[caller.account] += 1

    def _answered(self, answer: TestResponse, caller: Caller) -> TestResponse:
        """Check that the answer is the caller's own and successful, which does not need Redis."""
        assert answer.status_code in (200, 201), answer.text
        limits = caller.organization.limits
        assert answer.headers["X-RateLimit-Limit"] == str(limits.requests_per_second)
        assert answer.headers.get("X-Quota-Turns-Limit") in (None, str(limits.turns))
        with self._lock:
            self.without_redis_count += answer.status_code == 201 and not has_quota(answer)
        return answer


@contextmanager
def callers_behind(
    proxy: Proxy, mongodb_uri: str, redis_url: str
) -> Iterator[tuple[list[Caller], list[Caller]]]:
    """Yield two organizations that call through the proxy, and the same without it."""
    database = urlsplit(redis_url).path
    broken_url = f"redis://127.0.0.1:{proxy.port}{database}"
    with (
        app_on(mongodb_uri, broken_url, redis_timeout_ms=TIMEOUT_MS) as app,
        app_on(mongodb_uri, redis_url) as beside,
    ):
        with app.app_context():
            # A circuit breaker would keep most requests from the broken replies.
            provided(Backend).redis.breaker = None  # type: ignore[attr-defined]
        sizes = (5_000, 7_000)
        plain = [
            new_caller(beside, requests_per_second=size, burst=9_000, turns=100 * size)
            for size in sizes
        ]
        yield [replace(caller, app=app) for caller in plain], plain


def assert_each_reply_is_the_askers_own(
    mongodb_uri: str, redis_url: str, requests_count: int
) -> dict[str, object]:
    """Send so many requests; check that each answer is its sender's, each turn charged once."""
    server = urlsplit(redis_url)
    assert server.hostname is not None
    assert server.port is not None
    with (
        proxy_to(server.hostname, server.port) as proxy,
        callers_behind(proxy, mongodb_uri, redis_url) as (callers, plain),
    ):
        senders = Senders(callers, proxy, requests_count)
        assert sum(at_once([senders.send] * SENDERS_COUNT)) == requests_count
        proxy.set(Fault.NONE)
        reconcile(plain[0].app)
        for caller in plain:
            stored_count = caller.rows_count()
            assert stored_count == senders.accepted[caller.account] == requests_count // 4
            assert caller.counters()["turns_used"] == stored_count
            assert caller.counters()["relationships_used"] == 9
        assert proxy.broken_count > requests_count // EVERY // 4
        return {
            "requests": requests_count,
            "replies_broken": proxy.broken_count,
            "connections": proxy.connections_count,
            "recorded_without_redis": senders.without_redis_count,
        }


def test_no_reply_is_given_to_the_wrong_request(
    fresh_mongodb_uri: str, fresh_redis_url: str, report_figures: Callable[..., None]
) -> None:
    report_figures(**assert_each_reply_is_the_askers_own(fresh_mongodb_uri, fresh_redis_url, 1_000))


@pytest.mark.long
def test_no_reply_of_10000_is_given_to_the_wrong_request(
    fresh_mongodb_uri: str, fresh_redis_url: str, report_figures: Callable[..., None]
) -> None:
    report_figures(
        **assert_each_reply_is_the_askers_own(fresh_mongodb_uri, fresh_redis_url, 10_000)
    )
