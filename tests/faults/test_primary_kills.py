"""The primary of a MongoDB replica set dies under load: acknowledged turns stay, once."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.callers import app_on, new_caller, reconcile
from tests.faults.kit.load import Load, percentile_ms
from tests.faults.kit.mongodb_set import running_replica_set
from tests.faults.kit.producers import Producers
from tests.servers import wait_until

PER_SECOND = 50
# As in production.
TIMEOUT_MS = 2_000
RECOVERED_WITHIN_S = 60


def assert_nothing_is_lost_after(folder: Path, redis_url: str, kills_count: int) -> dict[str, Any]:
    """Kill the primary so many times while producers record; check that all is stored once."""
    with (
        running_replica_set(folder) as replica_set,
        app_on(replica_set.uri, redis_url, mongodb_timeout_ms=TIMEOUT_MS) as app,
    ):
        caller = new_caller(app)
        producers = Producers(caller)
        with Load(producers, PER_SECOND) as load:
            for _ in range(kills_count):
                load.last(1)
                victim = replica_set.kill_primary()
                goal = len(producers.accepted) + PER_SECOND
                wait_until(lambda goal=goal: len(producers.accepted) > goal, RECOVERED_WITHIN_S)
                victim.server.restart()
                wait_until(replica_set.is_whole, RECOVERED_WITHIN_S)
            load.last(1)
        producers.assert_all_are_stored_once(caller)
        reconcile(app)
        assert caller.counters()["turns_used"] == len(producers.accepted)
    answered = sorted(shot.answered_at_s for shot in producers.shots)
    statuses = [accepted.shot.status for accepted in producers.accepted]
    refused = [shot for shot in producers.shots if shot.status == 503]
    return {
        "kills": kills_count,
        "statuses": producers.statuses(),
        "found_at_a_retry": statuses.count(200),
        "p99_ms": percentile_ms(producers.shots, 99),
        "slowest_ms": percentile_ms(producers.shots, 100),
        "slowest_503_ms": max((shot.latency_ms for shot in refused), default=0.0),
        "longest_silence_s": round(max(b - a for a, b in pairwise(answered)), 1),
    }


def test_no_acknowledged_turn_is_lost_or_doubled_when_the_primary_is_killed(
    tmp_path: Path, fresh_redis_url: str, report_figures: Callable[..., None]
) -> None:
    report_figures(**assert_nothing_is_lost_after(tmp_path, fresh_redis_url, kills_count=1))


@pytest.mark.long
def test_no_acknowledged_turn_is_lost_or_doubled_when_five_primaries_are_killed(
    tmp_path: Path, fresh_redis_url: str, report_figures: Callable[..., None]
) -> None:
    figures = assert_nothing_is_lost_after(tmp_path, fresh_redis_url, kills_count=5)
    report_figures(**figures)
    # A bound of the long form, which runs alone.
    assert figures["slowest_503_ms"] <= TIMEOUT_MS
