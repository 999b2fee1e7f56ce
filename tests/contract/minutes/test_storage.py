"""Minutes in both kinds of Redis: sums of all processes, and gaps."""

from collections import Counter
from typing import Any

import pytest
from redis import Redis

from app.backends import batches
from app.clients import RequestRedis
from app.minutes import storage as storage_module
from app.minutes.counts import MinuteCounts
from app.minutes.model import OTHERS, DayRefusals, Outcome, Refusal, find_quantile_ms
from app.minutes.service import Minutes
from app.minutes.storage import DAY_KEPT_S, KEPT_S, MinuteStorage
from tests.unit.request_log.refusals import refusal

MINUTE = 1_795_963_860


@pytest.fixture
def storage(redis_client: Redis) -> MinuteStorage:
    return MinuteStorage(RequestRedis(redis_client))


def counts(*organizations: str | None, status: int = 429) -> MinuteCounts:
    made = MinuteCounts(set())
    for organization in organizations:
        made.add(refusal(organization, status))
    return made


def test_processes_add_up(storage: MinuteStorage) -> None:
    storage.add({MINUTE: counts("org_1", "org_2")})
    storage.add({MINUTE: counts("org_1"), MINUTE + 60: counts("org_3")})

    first, second = storage.read(MINUTE, MINUTE + 60)

    assert first is not None
    assert second is not None
    assert first.at_s == MINUTE
    assert first.counts[Outcome.RATE_LIMITED] == sum(first.counts.values()) == 3
    assert sum(first.latencies) == 3
    assert sum(second.counts.values()) == 1
    assert find_quantile_ms(first.latencies, 0.5) == 1.5
    assert storage.refusals(MINUTE, MINUTE) == {
        Refusal("org_1", "rate"): 2,
        Refusal("org_2", "rate"): 1,
    }
    assert storage.refusals(MINUTE, MINUTE + 60)[Refusal("org_3", "rate")] == 1


def test_a_missing_minute_is_a_gap_and_a_quiet_one_is_0(storage: MinuteStorage) -> None:
    storage.add({MINUTE + 60: counts()})
    before, quiet, after = storage.read(MINUTE, MINUTE + 120)
    assert before is after is None
    assert quiet is not None
    assert sum(quiet.counts.values()) == sum(quiet.latencies) == 0


def test_a_flush_is_sent_at_once_and_all_of_it_expires(
    storage: MinuteStorage, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []

    def counted(redis: Redis, commands: list[Any]) -> list[Any]:
        sent.append(len(commands))
        return batches.send_batch(redis, commands)

    monkeypatch.setattr(storage_module, "send_batch", counted)
    storage.add({MINUTE: counts("org_1"), MINUTE + 60: counts("org_1", None)})
    assert len(sent) == 1
    names = redis_client.keys("minutes:*")
    assert len(names) == 4
    assert all(0 < redis_client.ttl(name) <= KEPT_S for name in names)


def test_a_week_is_read_in_batches(storage: MinuteStorage) -> None:
    storage.add({MINUTE: counts("org_1")})
    week = storage.read(MINUTE - KEPT_S + 60, MINUTE)
    assert len(week) == KEPT_S // 60
    assert [minute is not None for minute in week].count(True) == 1


def test_refusals_of_the_last_five_minutes(storage: MinuteStorage) -> None:
    now_s = MINUTE + 30
    others = MinuteCounts(set())
    others.refusals = Counter({Refusal(OTHERS, "rate"): 4, Refusal("org_1", "turns"): 2})
    storage.add({MINUTE - 301: counts("org_9")})
    storage.add({MINUTE - 240: counts("org_1"), MINUTE: others})
    minutes = Minutes(storage, lambda: now_s)

    assert minutes.refused_now() == {
        "org_1": {"rate": 1, "turns": 2},
        OTHERS: {"rate": 4},
    }
    assert minutes.find_newest_s() == MINUTE
    assert Minutes(storage, lambda: now_s + 1_200).find_newest_s() is None


def test_a_day_has_the_refusals_of_its_minutes(storage: MinuteStorage) -> None:
    day = "2026-11-29"
    storage.add({MINUTE: counts("org_1", "org_2"), MINUTE + 60: counts("org_1")})
    quota = MinuteCounts(set())
    quota.refusals[Refusal("org_1", "turns")] = 4
    quota.refusals[Refusal("org_1", "concurrency")] = 8
    storage.add({MINUTE + 120: quota})

    before, found = storage.refusals_by_day("org_1", ["2026-11-28", day])

    assert before is None
    assert found == DayRefusals(day, rate_limited=10, quota_exhausted=4)
    assert storage.refusals_by_day("org_3", [day]) == [DayRefusals(day, 0, 0)]


def test_days_expire(storage: MinuteStorage, redis_client: Redis) -> None:
    storage.add({MINUTE: counts("org_1")})
    kept_s = redis_client.ttl("refused:{turnledger}:2026-11-29")
    assert DAY_KEPT_S - 60 < kept_s <= DAY_KEPT_S
