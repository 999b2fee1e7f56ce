"""Workers of both servers are killed with requests in flight: nothing is half done."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.callers import http_client, new_caller, reconcile
from tests.faults.kit.kinds import GUNICORN_IN_LONG_RUNS
from tests.faults.kit.load import NO_ANSWER, THREADS_COUNT, Load, percentile_ms
from tests.faults.kit.processes import frozen
from tests.faults.kit.producers import Producers
from tests.faults.kit.site import LONG_TIMEOUTS, Site, running_site
from tests.faults.kit.workers import kill_worker, worker_ids, workers_by_age
from tests.servers import RunningService, ServerKind, wait_until
from tests.turns import Body, stateful

WORKERS_COUNT = 3
PER_SECOND = 50
# How long the database is frozen, so that every worker has requests in flight.
IN_FLIGHT_S = 0.3
# A bound of the long form, which runs alone; the other detects a hang on any machine.
RESPAWNED_WITHIN_S = 1.0
REPLACED_WITHIN_S = 20
# Among this many killed workers at least one has a request in flight.
KILLS_FOR_A_HIT = 2
RELATIONSHIPS_COUNT = 5


def is_staffed(service: RunningService) -> bool:
    """Return True if the configured number of workers run."""
    return len(worker_ids(service)) == WORKERS_COUNT


def respawn_s(service: RunningService, victim: int) -> float:
    """Kill one; return the seconds until another process has replaced it."""
    others = worker_ids(service) - {victim}
    killed_at = time.monotonic()
    kill_worker(victim)
    wait_until(
        lambda: victim not in worker_ids(service) and is_staffed(service),
        REPLACED_WITHIN_S,
        every_s=0.005,
    )
    assert others < worker_ids(service), "others were harmed"
    return time.monotonic() - killed_at


def assert_nobody_is_harmed_by(site: Site, kills_count: int) -> dict[str, Any]:
    """Kill so many workers with requests in flight; check that all turns are stored once."""
    chance = random.Random(kills_count)  # noqa: S311 - no secret
    service, caller = site.service, new_caller(site.app)

    def make(number: int) -> Body:
        return stateful(f"rel_{number % RELATIONSHIPS_COUNT}")

    with http_client(service, caller) as client:
        producers = Producers(client.request, make)
        with Load(producers, PER_SECOND) as load:
            load.last(1)
            respawns_s: list[float] = []
            hits_count = 0
            while hits_count < kills_count:
                assert len(respawns_s) < kills_count * KILLS_FOR_A_HIT, "nothing was in flight"
                load.last(chance.uniform(0.3, 0.8))
                # The last one to start must not die at once: test_worker_crashes.py.
                victim = chance.choice(workers_by_age(service)[:-1])
                broken_count = len(producers.broken())
                with frozen(site.mongod.process.pid):
                    load.last(IN_FLIGHT_S)
                    respawns_s.append(respawn_s(service, victim))
                load.last(IN_FLIGHT_S)
                hits_count += len(producers.broken()) > broken_count
            load.last(1)
    # A sender has one request in flight.
    assert len(producers.broken()) <= len(respawns_s) * THREADS_COUNT
    assert producers.statuses().keys() <= {NO_ANSWER, 200, 201}
    producers.assert_all_are_stored_once(caller)
    reconcile(site.app)
    counted = caller.counters()
    assert counted["turns_used"] == len(producers.accepted)
    assert counted["relationships_used"] == RELATIONSHIPS_COUNT
    return {
        "kills": len(respawns_s),
        "hits": hits_count,
        "statuses": producers.statuses(),
        "p99_ms": percentile_ms(producers.shots, 99),
        "slowest_respawn_ms": round(max(respawns_s) * 1_000),
    }


@pytest.fixture
def site(tmp_path: Path, kind: ServerKind) -> Iterator[Site]:
    # Requests wait for a database that is frozen for a while.
    with running_site(tmp_path, workers_count=WORKERS_COUNT, kind=kind, **LONG_TIMEOUTS) as running:
        yield running


@GUNICORN_IN_LONG_RUNS
def test_a_killed_worker_fails_no_other_request_and_leaves_nothing_half_done(
    site: Site, report_figures: Callable[..., None]
) -> None:
    report_figures(**assert_nobody_is_harmed_by(site, kills_count=1))


@pytest.mark.long
def test_twenty_killed_workers_fail_no_other_request_and_leave_nothing_half_done(
    site: Site, report_figures: Callable[..., None]
) -> None:
    figures = assert_nobody_is_harmed_by(site, kills_count=20)
    report_figures(**figures)
    assert figures["slowest_respawn_ms"] <= RESPAWNED_WITHIN_S * 1_000
