"""Reservations with several processes: never above the limit, and released quota is reused."""

import multiprocessing
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import cycle, islice
from typing import Any

import httpx
import pytest
from flask import Flask
from redis import Redis

from app.admission.decision import Verdict
from tests.callers import TURNS, at_once, http_client, new_caller
from tests.concurrency import reservation_load as load
from tests.servers import RunningService
from tests.turns import Body, body, reservation
from tests.unit.admission.world import limits, principal, turn

Service = tuple[RunningService, Flask]
PROCESSES_COUNT = 4
ROUNDS_COUNT = 12
LONG_ROUNDS_COUNT = 100


@pytest.mark.parametrize(
    ("tries_count", "limit"), [(2_000, 200), pytest.param(5_000, 500, marks=pytest.mark.long)]
)
def test_tries_for_ten_times_a_quota_never_exceed_it(
    live_redis: Redis,
    fresh_redis_url: str,
    tries_count: int,
    limit: int,
    report_figures: Callable[..., None],
) -> None:
    in_force, context = limits(turns=limit), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES_COUNT, context) as pool:
        tallies = [
            pool.submit(
                load.try_reservations,
                fresh_redis_url,
                in_force,
                process,
                tries_count // PROCESSES_COUNT,
            )
            for process in range(PROCESSES_COUNT)
        ]
        results = [tally.result() for tally in tallies]

    did = sum((tally.did for tally in results), Counter[str]())
    most_taken = max(tally.most_taken for tally in results)
    live_redis.incrby(load.CLOCK_KEY, load.HOLD_US)
    gate, who = load.gate_on(live_redis), principal(in_force)
    used = gate.quota(who).turns_used
    last = [gate.reserve(who, turn(f"last_{number}"), load.HOLD_US * 100) for number in range(600)]
    again = Counter(load.Tally().see(decision).name for decision in last)
    report_figures(**did, most_taken=most_taken, used=used, free_again=again["CHARGED"])
    assert sum(did[verdict.name] for verdict in Verdict) == tries_count
    assert most_taken == limit
    assert did["completed"] == used <= limit
    assert min(did["cancelled"], did["expired"], did["completed"]) > 0
    assert again == {"CHARGED": limit - used, "TURNS_EXHAUSTED": 600 - limit + used}


@pytest.mark.parametrize(
    "rounds_count", [ROUNDS_COUNT, pytest.param(LONG_ROUNDS_COUNT, marks=pytest.mark.long)]
)
def test_completion_and_cancellation_at_once_have_one_winner(
    several_workers: Service, rounds_count: int, report_figures: Callable[..., None]
) -> None:
    service, app = several_workers
    caller = new_caller(app, requests_per_second=50_000, burst=90_000)
    winners: Counter[str] = Counter()
    with http_client(service, caller) as client:
        for number in range(rounds_count):
            name = f"turn_{number}"
            reserved = client.post(TURNS, json=reservation(name)).json()
            path, payload = f"{TURNS}/{reserved['interaction_id']}", body(turn_id=name)
            del payload["occurred_at"]
            put, delete = partial(client.put, path, json=payload), partial(client.delete, path)
            order = [put, delete] if number % 2 else [delete, put]
            answers = at_once(list(islice(cycle(order), 50)))
            statuses = Counter(answer.status_code for answer in answers)
            assert statuses in (
                {201: 1, 200: 24, 409: 25},
                {204: 25, 409: 25},
            ), f"round {number}: {statuses}"
            winners["completed" if statuses[201] else "cancelled"] += 1
    report_figures(rounds=rounds_count, **winners)
    assert winners.total() == rounds_count
    # In so many rounds both occur, on any machine.
    assert len(winners) == 2 or rounds_count < LONG_ROUNDS_COUNT
    counted = caller.counters()
    assert counted["turns_used"] == caller.rows_count() == winners["completed"]
    assert (counted["turns_reserved"], counted["reservations"]) == (0, 0)


def test_one_turn_reserved_50_times_at_once_has_one_hold(several_workers: Service) -> None:
    service, app = several_workers
    caller = new_caller(app, turns=1)
    with http_client(service, caller) as client:
        payload = reservation()
        answers = at_once([lambda: client.post(TURNS, json=payload)] * 50)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
    ids = {(answer.json()["interaction_id"], answer.json()["expires_at"]) for answer in answers}
    assert len(ids) == 1
    assert caller.counters()["turns_reserved"] == 1


def test_batches_single_completions_and_cancels_at_once_end_each_turn_once(
    several_workers: Service, report_figures: Callable[..., None]
) -> None:
    """Send more turns than one call charges, so that other requests come between the calls."""
    service, app = several_workers
    caller = new_caller(app, requests_per_second=50_000, burst=90_000)
    with http_client(service, caller) as client:
        completions = [completion(client, f"turn_{number}") for number in range(130)]
        paths = [f"{TURNS}/{each['interaction_id']}" for each in completions]
        batch = {"completions": completions}
        single = [each.copy() for each in completions]
        for each in single:
            del each["interaction_id"]
        batches = [partial(client.post, f"{TURNS}/completions", json=batch)] * 6
        puts = [partial(client.put, paths[at], json=single[at]) for at in range(0, 130, 4)]
        deletes = [partial(client.delete, paths[at]) for at in range(0, 130, 3)]
        order = [*deletes[:20], *batches[:3], *puts, *batches[3:], *deletes[20:]]
        answers = at_once(order)
        last = client.post(f"{TURNS}/completions", json=batch).json()["results"]

    statuses = Counter(answer.status_code for answer in answers)
    results = [
        result
        for answer in answers
        if answer.status_code == 200 and "results" in answer.json()
        for result in answer.json()["results"]
    ]
    outcomes = Counter(outcome_of(result) for result in results)
    settled = Counter(outcome_of(result) for result in last)
    report_figures(**outcomes, **{f"http_{status}": n for status, n in statuses.items()})
    assert set(statuses) <= {200, 201, 204, 409}
    assert outcomes.keys() <= {"created", "duplicate", "cancelled", "service_unavailable"}
    # A turn is completed by one request, or cancelled by one or more, and stays so.
    assert settled == {"duplicate": 130 - statuses[204], "cancelled": statuses[204]}
    assert outcomes["created"] + statuses[201] == settled["duplicate"]
    counted = caller.counters()
    assert counted["turns_used"] == caller.rows_count() == settled["duplicate"]
    assert (counted["turns_reserved"], counted["reservations"]) == (0, 0)


def completion(client: httpx.Client, name: str) -> Body:
    """Reserve a turn; return its completion as an element of a batch."""
    held = client.post(TURNS, json=reservation(name)).json()["interaction_id"]
    element = body(turn_id=name) | {"interaction_id": held}
    del element["occurred_at"]
    return element


def outcome_of(result: dict[str, Any]) -> str:
    """Return the status of a result; of a rejected one the reason, or the code."""
    if result["status"] != "rejected":
        return str(result["status"])
    error = result["error"]
    return str(error["details"]["reason"] if error["code"] == "conflict" else error["code"])
