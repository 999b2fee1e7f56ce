"""Recording with several worker processes: each turn is stored and charged exactly once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Event

import httpx
import pytest
from flask import Flask

from app.tenancy.plans import MAX_BURST
from tests.callers import LIST, at_once, error_of, http_client, new_caller, reconcile, redis_of
from tests.servers import RunningService, wait_until
from tests.turns import body, stateful

Service = tuple[RunningService, Flask]
Serve = Callable[..., Service]
BATCH = f"{LIST}/batch"


@pytest.mark.parametrize("ceilings", [{}, {"turns": 1, "active_relationships": 1}])
def test_a_turn_sent_50_times_at_once_is_one_turn_one_charge_and_no_refusal(
    several_workers: Service, ceilings: dict[str, int]
) -> None:
    service, app = several_workers
    caller = new_caller(app, **ceilings)

    for _ in range(1 if ceilings else 3):
        payload = stateful()
        before = caller.counters().get("turns_used", 0)
        with http_client(service, caller) as client:
            send = lambda payload=payload: client.post(LIST, json=payload)  # noqa: E731
            answers = at_once([send] * 50)

        assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
        assert len({answer.content for answer in answers}) == 1
        assert caller.counters()["turns_used"] == before + 1
    assert caller.counters()["relationships_used"] == 1
    assert caller.rows_count() == caller.counters()["turns_used"]


def test_an_uncharged_turn_sent_50_times_at_once_counts_once(several_workers: Service) -> None:
    service, app = several_workers
    caller = new_caller(app, "free", uncharged_turns=1, requests_per_second=5_000, burst=9_000)
    payload = body(status="failed")

    with http_client(service, caller) as client:
        answers = at_once([lambda: client.post(LIST, json=payload)] * 50)

    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
    counted = caller.counters()
    assert (counted["turns_used"], counted["uncharged_used"], caller.rows_count()) == (0, 1, 1)


@pytest.mark.parametrize(
    ("tries_count", "ceiling"),
    [(4_000, 700), pytest.param(1_000_000, None, marks=pytest.mark.long)],
)
def test_uncharged_turns_are_stored_up_to_their_ceiling(
    several_workers: Service, tries_count: int, ceiling: int | None
) -> None:
    """Store as many on a Free key, without a ceiling of its own, as its plan has turns."""
    service, app = several_workers
    own = {} if ceiling is None else {"uncharged_turns": ceiling}
    caller = new_caller(app, "free", requests_per_second=5_000, burst=MAX_BURST, **own)

    def send(client: httpx.Client) -> int:
        turns = [body(status="failed") for _ in range(500)]
        answer = client.post(BATCH, json={"interactions": turns})
        return sum(result["status"] == "created" for result in answer.json()["results"])

    with http_client(service, caller) as client, ThreadPoolExecutor(8) as pool:
        stored_count = sum(pool.map(lambda _: send(client), range(tries_count // 500)))

    allowed = ceiling or caller.organization.limits.turns
    assert stored_count == caller.counters()["uncharged_used"] == caller.rows_count() == allowed


def test_a_batch_sent_12_times_at_once_is_stored_and_charged_once(several_workers: Service) -> None:
    service, app = several_workers
    caller = new_caller(app)
    turns = {"interactions": [stateful(f"rel_{number % 7}") for number in range(60)]}

    with http_client(service, caller) as client:
        answers = at_once([lambda: client.post(BATCH, json=turns)] * 12)

    outcomes = Counter(
        result["status"] for answer in answers for result in answer.json()["results"]
    )
    assert outcomes == {"created": 60, "duplicate": 660}
    counted = caller.counters()
    assert (counted["turns_used"], counted["relationships_used"]) == (60, 7)
    assert caller.rows_count() == 60


@pytest.mark.parametrize(
    ("tries_count", "quota"), [(3_000, 250), pytest.param(12_000, 1_000, marks=pytest.mark.long)]
)
def test_a_quota_admits_exactly_itself_of_twelve_times_as_many_tries(
    several_workers: Service, tries_count: int, quota: int
) -> None:
    service, app = several_workers
    caller = new_caller(app, turns=quota, requests_per_second=5_000, burst=9_000)

    def batch(client: httpx.Client) -> int:
        answer = client.post(BATCH, json={"interactions": [body() for _ in range(50)]})
        return sum(result["status"] == "created" for result in answer.json()["results"])

    def single(client: httpx.Client) -> int:
        return int(client.post(LIST, json=body()).status_code == 201)

    # One batch to nine singles, so that both compete for the rest of the quota.
    rounds_count, rest_count = divmod(tries_count, 50 + 9)
    tries = ([batch] + [single] * 9) * rounds_count + [single] * rest_count
    with http_client(service, caller) as client, ThreadPoolExecutor(16) as pool:
        admitted_count = sum(pool.map(lambda attempt: attempt(client), tries))

    assert sum(50 if attempt is batch else 1 for attempt in tries) == tries_count
    assert admitted_count == quota
    assert caller.counters()["turns_used"] == caller.rows_count() == quota


@dataclass
class Load:
    """Writers that record, refused or not, until `is_over`."""

    client: httpx.Client
    is_wiped: Event = field(default_factory=Event)
    is_over: Event = field(default_factory=Event)
    refused_after_wipe: set[int] = field(default_factory=set)

    def record(self, writer: int) -> int:
        """Record turn after turn; return how many were acknowledged as new."""
        count = 0
        while not self.is_over.is_set():
            was_wiped = self.is_wiped.is_set()
            answer = self.client.post(LIST, json=stateful(f"rel_{count % 5}"))
            if answer.status_code == 201:
                count += 1
                continue
            assert answer.status_code == 429, answer.text
            assert error_of(answer)["code"] == "quota_exhausted"
            if was_wiped:
                self.refused_after_wipe.add(writer)
        return count


@pytest.mark.parametrize("flushed_at", [150, 290])
def test_one_reconciliation_after_a_wipe_under_load_makes_counters_equal_the_ledger(
    serve: Serve, flushed_at: int
) -> None:
    limit, writers_count = 300, 8
    service, app = serve(workers_count=3)
    caller = new_caller(app, turns=limit, requests_per_second=50_000, burst=90_000)

    with http_client(service, caller) as client, redis_of(service) as redis:
        load = Load(client)

        def wipe() -> int:
            try:
                wait_until(lambda: caller.rows_count() >= flushed_at, 60, every_s=0.001)
                redis.flushall()
                load.is_wiped.set()
                wait_until(lambda: len(load.refused_after_wipe) == writers_count, 60)
            finally:
                load.is_over.set()
            return 0

        writers = [partial(load.record, writer) for writer in range(writers_count)]
        acknowledged_count = sum(at_once([*writers, wipe]))

    rows_count = caller.rows_count()
    assert rows_count == acknowledged_count
    # Turns in flight at the wipe may have been counted neither before nor after it.
    assert limit <= rows_count <= limit + writers_count
    (reconciled,) = reconcile(app)
    assert (reconciled["account"], reconciled["turns_after"]) == (caller.account, rows_count)
    counted = caller.counters()
    assert (counted["turns_used"], counted["relationships_used"]) == (rows_count, 5)
    assert caller.record(body()).status_code == 429
    assert caller.rows_count() == rows_count
