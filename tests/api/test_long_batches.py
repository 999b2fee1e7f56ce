"""Long batches are charged in chunks, so that no single call blocks Redis for long."""

from typing import Any

import pytest
from flask import Flask
from redis import ConnectionError as RedisConnectionError
from redis import Redis

from app.admission.gate import Gate
from app.admission.replies import Reply
from app.backends.backend import Backend
from app.http.application import provided
from app.interactions.attempts import CHARGED_AT_ONCE_COUNT
from tests.api.conftest import NewCaller
from tests.callers import Clock, new_caller
from tests.turns import at, body, stateful

CHUNKS_COUNT = 3
COUNT = CHUNKS_COUNT * CHARGED_AT_ONCE_COUNT - 50


@pytest.mark.parametrize(
    ("count", "calls_count", "tokens"),
    [
        (1, 1, 1),
        (CHARGED_AT_ONCE_COUNT, 1, 2),
        (CHARGED_AT_ONCE_COUNT + 1, 2, 3),
        (COUNT, CHUNKS_COUNT, 5),
    ],
)
def test_a_batch_pays_its_tokens_once_and_takes_one_call_for_each_chunk(
    live_app: Flask, live_redis: Redis, count: int, calls_count: int, tokens: int
) -> None:
    caller, clock = new_caller(live_app, requests_per_second=1, burst=10), Clock(live_app)
    caller.record(at(clock.now_ms))
    live_redis.config_resetstat()

    answer = caller.record_batch([stateful(f"rel_{number % 7}") for number in range(count)])

    assert live_redis.info("commandstats")["cmdstat_evalsha"]["calls"] == calls_count
    assert answer.headers["X-RateLimit-Remaining"] == str(9 - tokens)
    assert caller.list_().headers["X-RateLimit-Remaining"] == str(8 - tokens)
    assert answer.headers["X-Quota-Turns-Used"] == str(1 + count)
    assert answer.headers["X-Quota-Active-Relationships-Used"] == str(min(7, count))


def test_a_quota_that_ends_in_the_last_chunk_is_reported_as_in_one_call(tenant: NewCaller) -> None:
    limit = COUNT - 30
    caller, payloads = tenant(turns=limit), [body() for _ in range(COUNT)]
    payloads[-1] = payloads[0]

    results = caller.record_batch(payloads).get_json()["results"]

    fates = [result["status"] for result in results]
    assert fates == ["created"] * limit + ["rejected"] * 29 + ["duplicate"]
    for result in results[limit:-1]:
        assert result["error"]["code"] == "quota_exhausted"
        details = result["error"]["details"]
        assert (details["used"], details["limit"]) == (limit, limit)
    assert (caller.counters()["turns_used"], caller.rows_count()) == (limit, limit)


def test_chunks_after_one_that_did_not_reach_redis_pass_without_a_charge(
    app: Flask, tenant: NewCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = tenant()
    caller.record(body())
    with app.app_context():
        gate, backend = provided(Gate), provided(Backend)
    admit, chunks = gate._script.admit, iter(range(CHUNKS_COUNT))

    def fail_the_second(*arguments: Any, **options: Any) -> Reply:
        if next(chunks) == 1:
            raise RedisConnectionError
        return admit(*arguments, **options)

    monkeypatch.setattr(gate._script, "admit", fail_the_second)
    answer = caller.record_batch([body() for _ in range(COUNT)])

    assert {result["status"] for result in answer.get_json()["results"]} == {"created"}
    assert caller.counters()["turns_used"] == 1 + CHARGED_AT_ONCE_COUNT
    rows = backend.database["interactions"]
    assert rows.count_documents({"degraded": True}) == COUNT - CHARGED_AT_ONCE_COUNT
    assert "X-Quota-Turns-Used" not in answer.headers
    assert "X-RateLimit-Remaining" in answer.headers
