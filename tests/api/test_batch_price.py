"""A batch costs a token for every 50 elements begun, at most the burst of the plan."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.http.instants import format_us
from app.tenancy.model import Scope
from tests.api.conftest import NewCaller
from tests.callers import LIST, Caller, Clock, at_once, error_of, new_caller
from tests.turns import at

pytestmark = pytest.mark.slow  # seconds of work

BATCH = f"{LIST}/batch"
SECOND_US = 1_000_000
# elements -> tokens, before the burst caps them
PRICES = {1: 1, 49: 1, 50: 1, 51: 2, 500: 10}

Elements = Callable[[Clock, int], list[Any]]


def good(clock: Clock, count: int) -> list[Any]:
    return [at(clock.now_ms) for _ in range(count)]


def bad(_clock: Clock, count: int) -> list[Any]:
    return [{"turn_id": "no-more-than-that"}] * count


def mixed(clock: Clock, count: int) -> list[Any]:
    return [at(clock.now_ms), *bad(clock, count - 1)]


def repeated(clock: Clock, count: int) -> list[Any]:
    return [at(clock.now_ms, turn_id="the-same")] * count


# Redis drops a full bucket in real time, whatever the test's clock says. So where a test needs one
# that is not full, it sends what is read fast, to a plan that refills slowly.
FAST: tuple[Elements, ...] = (bad, mixed)
KINDS: tuple[Elements, ...] = (good, repeated, *FAST)


def remaining(answer: TestResponse) -> int:
    return int(answer.headers["X-RateLimit-Remaining"])


@pytest.mark.parametrize("burst", [1, 5, 10, 1_000])
def test_the_price_is_exact_whatever_the_elements_are(
    tenant: NewCaller, clock: Clock, burst: int
) -> None:
    caller = tenant(requests_per_second=5, burst=burst)

    # Charging 500 new turns takes the in-memory Redis seconds.
    cases = [(make, count) for make in KINDS for count in PRICES if count < 500 or make in FAST]
    for make, count in cases:
        price = min(burst, PRICES[count])

        answer = caller.record_batch(make(clock, count))

        assert answer.status_code == 200
        assert remaining(answer) == burst - price, f"{count} {make.__name__}"
        full_at_us = clock.now_us + price * SECOND_US // 5
        assert answer.headers["X-RateLimit-Reset"] == format_us(full_at_us)
        assert answer.headers["X-RateLimit-Limit"] == "5"
        clock.move(us=price * SECOND_US // 5)
        assert remaining(caller.list_()) == burst - 1
        clock.move(us=SECOND_US // 5)


def test_a_batch_of_up_to_50_costs_what_one_recording_costs(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", requests_per_second=1, burst=10)

    answers = [
        caller.record(at(clock.now_ms)),
        *(caller.record_batch(mixed(clock, count)) for count in (1, 2, 50)),
    ]

    assert [remaining(answer) for answer in answers] == [9, 8, 7, 6]


def test_a_refused_batch_waits_for_its_price_and_stores_nothing(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", requests_per_second=3, burst=10)
    assert caller.record_batch(mixed(clock, 500)).status_code == 200
    batch = mixed(clock, 500)

    refused = caller.record_batch(batch)

    error = error_of(refused)
    assert (refused.status_code, error["code"]) == (429, "rate_limit_exceeded")
    assert error["details"] == {"limit": 3, "tokens": 10, "retry_after_ms": 3_334}
    assert error["message"] == "Rate limit exceeded. Retry after 4 seconds."
    assert refused.headers["Retry-After"] == "4"
    assert remaining(refused) == 0
    # 10 tokens at 3 a second: 3.333334 s, rounded up to the microsecond.
    assert refused.headers["X-RateLimit-Reset"] == format_us(clock.now_us + 3_333_334)
    assert refused.headers["X-Quota-Turns-Used"] == "1"
    assert (caller.counters()["turns_used"], caller.rows_count()) == (1, 1)
    clock.move(us=3_333_333)
    early = caller.record_batch(batch)
    assert (early.status_code, early.headers["Retry-After"], remaining(early)) == (429, "1", 9)
    clock.move(us=1)
    assert caller.record_batch(batch).status_code == 200
    assert (caller.counters()["turns_used"], caller.rows_count()) == (2, 2)


def test_a_batch_that_lacks_tokens_leaves_them_to_smaller_requests(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", requests_per_second=1, burst=10)
    caller.record_batch(bad(clock, 51))

    refused = caller.record_batch(bad(clock, 500))

    assert (refused.status_code, remaining(refused)) == (429, 8)
    assert error_of(refused)["details"] == {"limit": 1, "tokens": 10, "retry_after_ms": 2_000}
    assert remaining(caller.record_batch(bad(clock, 400))) == 0


def test_a_refused_batch_of_one_token_has_the_details_of_a_recording(
    tenant: NewCaller, clock: Clock
) -> None:
    caller = tenant("free", requests_per_second=1, burst=2)
    caller.record_batch(bad(clock, 51))

    answers = [caller.record(at(clock.now_ms)), caller.record_batch(mixed(clock, 50))]

    details = [error_of(answer)["details"] for answer in answers]
    assert details == [{"limit": 1, "retry_after_ms": 1_000}] * 2


@pytest.mark.parametrize("make", FAST)
def test_a_free_client_that_waits_exactly_retry_after_is_never_refused_twice(
    tenant: NewCaller, clock: Clock, make: Elements
) -> None:
    caller = tenant("free")
    chance = random.Random(5)  # noqa: S311
    refused_count = 0

    for _ in range(8):
        batch = make(clock, 500)
        answer = caller.record_batch(batch)
        if answer.status_code == 429:
            refused_count += 1
            assert error_of(answer)["details"]["tokens"] == 10
            clock.move(s=int(answer.headers["Retry-After"]))
            answer = caller.record_batch(batch)
        assert answer.status_code == 200
        clock.move(us=chance.randrange(2 * SECOND_US))

    assert refused_count == 7


def test_a_stored_turn_among_bad_ones_is_refused_with_the_price_of_its_batch(
    tenant: NewCaller, clock: Clock
) -> None:
    """Have bucket and quota refuse the only good element, which the ledger has already."""
    caller = tenant("free", requests_per_second=1, burst=5, turns=1)
    payload = at(clock.now_ms)
    caller.record(payload)
    clock.move(s=400)  # the charge has left the replay cache
    caller.record_batch(bad(clock, 500))

    answer = caller.record_batch([payload, *bad(clock, 99)])

    assert (answer.status_code, error_of(answer)["code"]) == (429, "rate_limit_exceeded")
    assert error_of(answer)["details"] == {"limit": 1, "tokens": 2, "retry_after_ms": 2_000}


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"json": {"interactions": [{}] * 501}}, 400),
        ({"json": {"interactions": [{}] * 500, "text": "x"}}, 400),
        ({"data": b'{"interactions": [', "content_type": "application/json"}, 400),
        ({"data": b" " * (1024 * 1024 + 1), "content_type": "application/json"}, 413),
        ({"data": b"{}", "content_type": "text/plain"}, 415),
    ],
)
def test_a_batch_that_is_refused_before_its_turns_are_read_costs_one_token(
    tenant: NewCaller, options: dict[str, Any], status: int
) -> None:
    answer = tenant("free")("POST", BATCH, **options)

    assert (answer.status_code, remaining(answer)) == (status, 9)


def test_a_batch_without_the_scope_costs_one_token(tenant: NewCaller, clock: Clock) -> None:
    answer = tenant("free", scope=Scope.READ).record_batch(good(clock, 500))

    assert (answer.status_code, remaining(answer)) == (403, 9)


def sent(caller: Caller, chance: random.Random, clock: Clock) -> int:
    """Send a batch of some size and kind; return its tokens, 0 if it was refused."""
    count, make = chance.choice([1, 50, 51, 99, 250, 499, 500]), chance.choice(FAST)
    answer = caller.record_batch(make(clock, count))
    assert answer.status_code in (200, 429)
    return -(-count // 50) if answer.status_code == 200 else 0


def test_batches_cannot_beat_the_rate_of_the_bucket(tenant: NewCaller, clock: Clock) -> None:
    caller = tenant("free", requests_per_second=1, burst=10)
    chance = random.Random(15)  # noqa: S311
    paid: list[tuple[int, int]] = []

    for _ in range(60):
        clock.move(us=chance.randrange(SECOND_US))
        if tokens := sent(caller, chance, clock):
            paid.append((clock.now_us, tokens))

    assert len(paid) > 5
    for first, (begun_us, _) in enumerate(paid):
        spent = 0
        for ended_us, tokens in paid[first:]:
            spent += tokens
            assert spent * SECOND_US <= 10 * SECOND_US + (ended_us - begun_us)


def test_batches_at_once_are_admitted_for_the_burst_and_no_more(live_app: Flask) -> None:
    clock, caller = Clock(live_app), new_caller(live_app, requests_per_second=1, burst=50)

    answers = at_once([lambda: caller.record_batch(bad(clock, 500))] * 12)

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 5 + [429] * 7
    admitted = [answer for answer in answers if answer.status_code == 200]
    assert sorted(remaining(answer) for answer in admitted) == [0, 10, 20, 30, 40]
