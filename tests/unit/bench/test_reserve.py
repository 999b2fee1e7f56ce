"""A single reservation too many or too few is found, and a refused one is no figure."""

from collections import Counter

import pytest
from redis import Redis

from bench.ledger import Ledger
from bench.reserve import TABLE, accepted, counters_of, mismatches_of, unanimous

BEFORE = {"turns_reserved": 5, "turns_used": 2}
LEDGER = Ledger("database", {}, "org_a:live", "org_a", {})


@pytest.mark.parametrize(
    ("after", "mismatches"),
    [
        ({"turns_reserved": 8, "turns_used": 2}, 0),
        ({"turns_reserved": 7, "turns_used": 2}, 1),
        ({"turns_reserved": 9, "turns_used": 2}, 1),
        # A reserved turn may not be charged as well.
        ({"turns_reserved": 8, "turns_used": 3}, 1),
        ({}, 3 + 5 + 2),
    ],
)
def test_counters_must_grow_by_what_was_accepted(after: dict[str, int], mismatches: int) -> None:
    assert mismatches_of(BEFORE, after, 3) == mismatches


def test_an_account_without_counters_begins_at_zero() -> None:
    assert mismatches_of({}, {"turns_reserved": 4}, 4) == 0


def test_one_mismatch_among_many_samples_breaks_the_floor() -> None:
    assert unanimous("case", [0, 0, 0]).is_held
    assert not unanimous("case", [0, 1, 0]).is_held


def test_only_a_run_without_refusals_is_a_figure() -> None:
    assert accepted(Counter({201: 7})) == 7
    with pytest.raises(AssertionError, match="429: 1"):
        accepted(Counter({201: 7, 429: 1}))


def test_counters_of_all_periods_and_of_no_companion_are_read(live_redis: Redis) -> None:
    for name, count in (("live:2026-10-30", 2), ("live:2026-11-30", 3), ("test:2026-11-30", 9)):
        live_redis.hset(f"quota:{{org_a}}:{name}", "turns_reserved", count)
    live_redis.hset("quota:{org_b}:live:2026-11-30", "turns_reserved", 9)
    live_redis.hset("quota:{org_a}:live:2026-11-30:turns", "turn", "reserved")
    assert counters_of(live_redis, LEDGER) == {"turns_reserved": 5}


def test_the_published_table_is_that_of_the_peer() -> None:
    assert [(row.clients, row.per_s, row.p99_ms) for row in TABLE] == [
        *((1, 50, 32), (10, 430, 41), (50, 999, 114), (200, 928, 1_326))
    ]
