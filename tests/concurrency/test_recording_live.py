"""Recording with several worker processes: each turn once, each charge once, each place once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx
import pytest
from flask import Flask

from app.admission.reconcile import Reconciler
from app.http.provide import provided
from tests.callers import LIST, Caller, at_once, hire, redis_of, wire
from tests.servers import RunningService
from tests.turns import body, stateful

Serve = Callable[..., tuple[RunningService, Flask]]
BATCH = f"{LIST}/batch"


@pytest.mark.parametrize("ceilings", [{}, {"turns": 1, "active_relationships": 1}])
def test_a_turn_sent_50_times_at_once_is_one_turn_one_charge_and_no_refusal(
    serve: Serve, ceilings: dict[str, int]
) -> None:
    service, app = serve(workers_count=3)
    caller = hire(app, **ceilings)

    for _ in range(1 if ceilings else 3):
        told = stateful()
        before = caller.counters().get("turns_used", 0)
        with wire(service, caller) as client:
            send = lambda told=told: client.post(LIST, json=told)  # noqa: E731
            answers = at_once([send] * 50)

        assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
        assert len({answer.content for answer in answers}) == 1
        assert caller.counters()["turns_used"] == before + 1
    assert caller.counters()["relationships_used"] == 1
    assert caller.rows_count() == caller.counters()["turns_used"]


def test_a_batch_sent_12_times_at_once_is_stored_and_charged_once(serve: Serve) -> None:
    service, app = serve(workers_count=3)
    caller = hire(app)
    told = {"interactions": [stateful(f"rel_{number % 7}") for number in range(60)]}

    with wire(service, caller) as client:
        answers = at_once([lambda: client.post(BATCH, json=told)] * 12)

    fates = Counter(result["status"] for answer in answers for result in answer.json()["results"])
    assert fates == {"created": 60, "duplicate": 660}
    counted = caller.counters()
    assert (counted["turns_used"], counted["relationships_used"]) == (60, 7)
    assert caller.rows_count() == 60


def test_a_quota_of_1000_admits_exactly_1000_of_12000(serve: Serve) -> None:
    service, app = serve(workers_count=4)
    caller = hire(app, turns=1_000, requests_per_second=5_000, burst=9_000)

    def batch(client: httpx.Client) -> int:
        answer = client.post(BATCH, json={"interactions": [body() for _ in range(50)]})
        return sum(result["status"] == "created" for result in answer.json()["results"])

    def single(client: httpx.Client) -> int:
        return int(client.post(LIST, json=body()).status_code == 201)

    # One batch to nine singles, so that both compete for the last places.
    tries = ([batch] + [single] * 9) * 203 + [single] * 23
    with wire(service, caller) as client, ThreadPoolExecutor(16) as pool:
        admitted_count = sum(pool.map(lambda attempt: attempt(client), tries))

    assert sum(50 if attempt is batch else 1 for attempt in tries) == 12_000
    assert admitted_count == 1_000
    assert caller.counters()["turns_used"] == caller.rows_count() == 1_000


def record_until(client: httpx.Client, is_over: Event) -> int:
    """Record turn after turn; how many were acknowledged as new."""
    count = 0
    while not is_over.is_set():
        answer = client.post(LIST, json=stateful(f"rel_{count % 5}"))
        assert answer.status_code in {201, 429}, answer.text
        if answer.status_code == 429:
            assert answer.json()["error"]["code"] == "quota_exhausted"
            break
        count += 1
    return count


@pytest.mark.parametrize("flushed_at", [150, 290])
def test_after_a_wipe_in_mid_load_one_reconcile_makes_the_counter_equal_the_ledger(
    serve: Serve, flushed_at: int
) -> None:
    limit, threads_count = 300, 8
    service, app = serve(workers_count=3)
    caller = hire(app, turns=limit, requests_per_second=5_000, burst=9_000)

    with wire(service, caller) as client, redis_of(service) as redis:

        def wipe() -> int:
            while caller.rows_count() < flushed_at:
                pass
            redis.flushall()
            return 0

        load = [lambda: record_until(client, Event())] * threads_count
        acknowledged_count = sum(at_once([*load, wipe]))

    rows_count = caller.rows_count()
    assert rows_count == acknowledged_count
    # Whoever was in flight at the wipe may have been counted neither before nor after it.
    assert rows_count <= limit + threads_count
    reconcile(app)
    counted = caller.counters()
    assert (counted["turns_used"], counted["relationships_used"]) == (rows_count, 5)
    fill_up(caller, limit)
    assert caller.rows_count() == max(rows_count, limit)


def reconcile(app: Flask) -> None:
    """One pass; nothing is in flight any more, so there is nothing to wait for."""
    with app.app_context():
        reconciler = provided(Reconciler)
        reconciler.reconcile(reconciler.list_accounts(), wait=lambda _seconds: None)


def fill_up(caller: Caller, limit: int) -> None:
    """Record until the quota refuses."""
    for _ in range(limit):
        if caller.record(body()).status_code == 429:
            return
    raise AssertionError("the quota never refused")
