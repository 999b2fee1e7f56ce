"""A walk while turns arrive from all sides: complete, once each, and nothing newer."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Lock

import httpx
from flask import Flask

from app.http.instants import format_ms
from tests.callers import LIST, at_once, new_caller, wire
from tests.servers import RunningService, wait_until
from tests.turns import body, now_ms, stateful

HOURS_40_MS = 40 * 3_600_000
MOST_SHOWN = 100_000
LIMITS = [5, 25, 100, 10, 40, 60, 7, 20]


@dataclass
class Diary:
    """What the writers know of each turn: when they began to send it, and who got his answer."""

    lock: Lock = field(default_factory=Lock)
    acknowledged: set[str] = field(default_factory=set)
    begun_before: dict[str, int] = field(default_factory=dict)
    walks_begun: int = 0


def write(client: httpx.Client, diary: Diary, is_over: Event, seed: int) -> int:
    """Record now and late turns, alone and in batches, as fast as the service takes them."""
    chance = random.Random(seed)  # noqa: S311
    count = 0
    while not is_over.is_set():
        late_ms = chance.choice([0, 0, 1, chance.randrange(HOURS_40_MS)])
        occurred_at = format_ms(now_ms() - late_ms)
        told = [body(occurred_at=occurred_at), stateful(occurred_at=occurred_at)]
        with diary.lock:
            begun = diary.walks_begun
        answer = client.post(f"{LIST}/batch", json={"interactions": told})
        ids = [result["interaction_id"] for result in answer.json()["results"]]
        with diary.lock:
            diary.acknowledged.update(ids)
            diary.begun_before.update(dict.fromkeys(ids, begun))
        count += len(ids)
    return count


@dataclass
class Walk:
    number: int
    acknowledged_before: set[str]
    shown: list[str]


def walk(client: httpx.Client, diary: Diary, limit: int) -> Walk:
    wait_until(lambda: len(diary.acknowledged) > 150 * (1 + diary.walks_begun), timeout_s=60)
    with diary.lock:
        before = set(diary.acknowledged)
    page = client.get(LIST, params={"limit": limit}).json()
    with diary.lock:
        diary.walks_begun += 1
        number = diary.walks_begun
    shown = [item["interaction_id"] for item in page["data"]]
    while page["next_cursor"] and len(shown) < MOST_SHOWN:
        page = client.get(LIST, params={"limit": limit, "cursor": page["next_cursor"]}).json()
        shown += [item["interaction_id"] for item in page["data"]]
    return Walk(number, before, shown)


def test_every_walk_is_complete_without_repeats_and_shows_nothing_newer(
    serve: Callable[..., tuple[RunningService, Flask]],
) -> None:
    service, app = serve(workers_count=3)
    caller = new_caller(app, requests_per_second=9_000, burst=9_000)
    diary, is_over = Diary(), Event()

    with wire(service, caller) as client:

        def walk_all() -> list[Walk]:
            try:
                return [walk(client, diary, limit) for limit in LIMITS]
            finally:
                is_over.set()

        writers = [partial(write, client, diary, is_over, seed) for seed in range(4)]
        *counts, walks = at_once([*writers, walk_all])

    assert len(walks) == len(LIMITS)
    assert sum(counts) == caller.rows_count() > 150 * len(LIMITS)
    for each in walks:
        shown = set(each.shown)
        assert len(shown) == len(each.shown)
        assert each.acknowledged_before - shown == set()
        newer = {turn for turn in shown if diary.begun_before[turn] >= each.number}
        assert newer == set()
