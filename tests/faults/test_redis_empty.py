"""Redis is killed and restarts empty: how far an organization can exceed its quota by that.

Data that only Redis had is lost: charges of turns that were not stored yet, and reservations, whose
turns may still be completed. Besides these, only turns admitted without Redis may exceed the quota.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.callers import Caller, app_on, http_client, log_lines, new_caller, reconcile
from tests.faults.kit.load import Load, has_quota
from tests.faults.kit.producers import Fate, Producers
from tests.faults.kit.redis_node import running_redis_node
from tests.faults.kit.site import LONG_TIMEOUTS, Site, running_site
from tests.servers import wait_until

RECOVERED_WITHIN_S = 60
# No hold expires by itself here.
HOLD_S = 3_600

# One after the other.
LIMIT = 60
BEFORE_COUNT, LIVING_COUNT, WITHOUT_REDIS_COUNT, COMPLETED_COUNT = 30, 20, 3, 15

# Under load.
PER_SECOND = 50
LOADED_LIMIT = 500
# A counter that restarted at zero would exceed this bound by far.
STORED_BEFORE_COUNT = 300
LEFT_BEFORE_COUNT = 8
REFUSED_AFTER_COUNT = 10
LONG_ROUNDS_COUNT = 5
FATES = (
    *(Fate.COMPLETED, Fate.RECORDED, Fate.LEFT),
    *(Fate.COMPLETED, Fate.RECORDED, Fate.CANCELLED),
)


def record(producers: Producers, fate: Fate, count: int) -> None:
    """Record so many turns, one after the other."""
    producers.fates = (fate,)
    for number in range(count):
        producers(number)


def fill(producers: Producers) -> None:
    """Record until the quota refuses."""
    refused_count = len(producers.refused)
    while len(producers.refused) == refused_count:
        record(producers, Fate.RECORDED, 1)


def assert_the_books_balance(caller: Caller, producers: Producers) -> None:
    """Check that no reservation is open, and that one pass finds exactly the accepted turns."""
    producers.assert_all_are_stored_once(caller)
    reconcile(caller.app)
    counted = caller.counters()
    assert counted["turns_used"] == caller.rows_count() == len(producers.accepted)
    assert (counted["turns_reserved"], counted["reservations"]) == (0, 0)


def test_only_reservations_lost_with_redis_may_exceed_the_quota(
    tmp_path: Path, fresh_mongodb_uri: str, report_figures: Callable[..., None]
) -> None:
    with (
        running_redis_node(tmp_path) as redis,
        app_on(fresh_mongodb_uri, redis.url, redis_timeout_ms=1_000) as app,
    ):
        caller = new_caller(app, turns=LIMIT)
        producers = Producers(caller, hold_s=HOLD_S)
        record(producers, Fate.RECORDED, BEFORE_COUNT)
        record(producers, Fate.LEFT, LIVING_COUNT)
        assert caller.counters()["turns_reserved"] == LIVING_COUNT
        redis.server.kill()
        record(producers, Fate.RECORDED, WITHOUT_REDIS_COUNT)
        redis.restart()
        wait_until(lambda: has_quota(caller("GET", "/v1/usage/turns")), RECOVERED_WITHIN_S)
        assert caller.counters()["turns_used"] == BEFORE_COUNT + WITHOUT_REDIS_COUNT
        fill(producers)
        assert len(producers.accepted) == LIMIT
        producers.complete_left(COMPLETED_COUNT)
        fill(producers)
        assert_the_books_balance(caller, producers)
    overshoot = len(producers.accepted) - LIMIT
    report_figures(limit=LIMIT, living=LIVING_COUNT, overshoot=overshoot)
    assert overshoot == COMPLETED_COUNT


def assert_hardly_exceeded(site: Site) -> dict[str, int]:
    """Kill Redis while producers send; check that every turn beyond the quota has a cause."""
    caller = new_caller(site.app, turns=LOADED_LIMIT)
    producers = Producers(caller, hold_s=HOLD_S)
    record(producers, Fate.RECORDED, STORED_BEFORE_COUNT)
    with http_client(site.service, caller) as client:
        producers.send, producers.fates = client.request, FATES
        with Load(producers, PER_SECOND) as load:
            wait_until(lambda: len(producers.left) >= LEFT_BEFORE_COUNT, RECOVERED_WITHIN_S)
            site.redis.server.kill()
            killed_s = time.monotonic()
            wait_until(
                lambda: producers.accepted[-1].is_degraded or load.require_no_fault(),
                RECOVERED_WITHIN_S,
            )
            restarted_s = time.monotonic()
            site.redis.restart()
            wait_until(lambda: refused_count(producers, restarted_s) >= REFUSED_AFTER_COUNT, 60)
        producers.settle_running()
        fill(producers)
        producers.complete_left(len(producers.left))
    assert producers.statuses().keys() <= {200, 201, 204, 429, 503}
    # Only a cancel is answered 503.
    assert {line["method"] for line in log_lines(site.service) if line["status"] == 503} <= {
        "DELETE"
    }
    assert_the_books_balance(caller, producers)
    return figures(producers, killed_s, restarted_s)


def figures(producers: Producers, killed_s: float, restarted_s: float) -> dict[str, int]:
    """Return by how much the quota was exceeded, and the possible causes, each turn once.

    Turns that were stored before the restart were counted when the quota was seeded again.
    """
    later = [each for each in producers.accepted if each.shot.answered_at_s >= restarted_s]
    lost = [each for each in later if not each.is_degraded and each.began_at_s <= killed_s]
    return {
        "accepted": len(producers.accepted),
        "overshoot": len(producers.accepted) - LOADED_LIMIT,
        "reserved_before": len([each for each in lost if each.granted]),
        "in_flight": len([each for each in lost if not each.granted]),
        "without_redis": len([each for each in later if each.is_degraded]),
    }


def refused_count(producers: Producers, since_s: float) -> int:
    """Return the number of turns that the quota has refused since then."""
    return len([shot for shot in list(producers.refused) if shot.due_at_s >= since_s])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path, **LONG_TIMEOUTS) as running:
        yield running


@pytest.mark.parametrize(
    "rounds_count", [1, pytest.param(LONG_ROUNDS_COUNT, marks=pytest.mark.long)]
)
def test_a_quota_is_hardly_exceeded_when_redis_restarts_empty(
    site: Site, rounds_count: int, report_figures: Callable[..., None]
) -> None:
    for number in range(rounds_count):
        counted = assert_hardly_exceeded(site)
        report_figures(**{f"round_{number}": counted})
        allowed = counted["reserved_before"] + counted["in_flight"] + counted["without_redis"]
        assert counted["overshoot"] <= allowed
        assert counted["reserved_before"] >= LEFT_BEFORE_COUNT
