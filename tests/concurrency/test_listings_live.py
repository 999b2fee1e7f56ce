"""Listings while several clients record: complete, without repeats, and nothing newer."""

import random
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Lock

import httpx
from flask import Flask

from app.http.instants import format_ms
from tests.callers import LIST, at_once, http_client, new_caller
from tests.servers import RunningService, wait_until
from tests.turns import body, now_ms, stateful

HOURS_40_MS = 40 * 3_600_000
MOST_SHOWN = 100_000
LIMITS = [5, 25, 100, 10, 40, 60, 7, 20]
# Written before each listing.
WRITTEN_COUNT = 60


@dataclass
class WriteLog:
    """The writers' log: acknowledged turns, and the listings begun before each was sent."""

    lock: Lock = field(default_factory=Lock)
    acknowledged: set[str] = field(default_factory=set)
    begun_before: dict[str, int] = field(default_factory=dict)
    listings_begun: int = 0


def write(client: httpx.Client, log: WriteLog, is_over: Event, seed: int) -> int:
    """Record batches of current and late turns as fast as possible, until `is_over`."""
    chance = random.Random(seed)  # noqa: S311
    count = 0
    while not is_over.is_set():
        late_ms = chance.choice([0, 0, 1, chance.randrange(HOURS_40_MS)])
        occurred_at = format_ms(now_ms() - late_ms)
        payloads = [body(occurred_at=occurred_at), stateful(occurred_at=occurred_at)]
        with log.lock:
            begun = log.listings_begun
        answer = client.post(f"{LIST}/batch", json={"interactions": payloads})
        ids = [result["interaction_id"] for result in answer.json()["results"]]
        with log.lock:
            log.acknowledged.update(ids)
            log.begun_before.update(dict.fromkeys(ids, begun))
        count += len(ids)
    return count


@dataclass
class Listing:
    number: int
    acknowledged_before: set[str]
    shown: list[str]


def read_listing(client: httpx.Client, log: WriteLog, limit: int) -> Listing:
    wait_until(
        lambda: len(log.acknowledged) > WRITTEN_COUNT * (1 + log.listings_begun), timeout_s=60
    )
    with log.lock:
        before = set(log.acknowledged)
    page = client.get(LIST, params={"limit": limit}).json()
    with log.lock:
        log.listings_begun += 1
        number = log.listings_begun
    shown = [item["interaction_id"] for item in page["data"]]
    while page["next_cursor"] and len(shown) < MOST_SHOWN:
        page = client.get(LIST, params={"limit": limit, "cursor": page["next_cursor"]}).json()
        shown += [item["interaction_id"] for item in page["data"]]
    return Listing(number, before, shown)


def test_every_listing_is_complete_without_repeats_and_shows_nothing_newer(
    several_workers: tuple[RunningService, Flask],
) -> None:
    service, app = several_workers
    caller = new_caller(app, requests_per_second=9_000, burst=9_000)
    log, is_over = WriteLog(), Event()

    with http_client(service, caller) as client:

        def list_all() -> list[Listing]:
            try:
                return [read_listing(client, log, limit) for limit in LIMITS]
            finally:
                is_over.set()

        writers = [partial(write, client, log, is_over, seed) for seed in range(4)]
        *counts, listings = at_once([*writers, list_all])

    assert len(listings) == len(LIMITS)
    assert sum(counts) == caller.rows_count() > WRITTEN_COUNT * len(LIMITS)
    for each in listings:
        shown = set(each.shown)
        assert len(shown) == len(each.shown)
        assert each.acknowledged_before - shown == set()
        newer = {turn for turn in shown if log.begun_before[turn] >= each.number}
        assert newer == set()
