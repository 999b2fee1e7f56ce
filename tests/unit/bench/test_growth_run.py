"""The simulation runs, small as it is here, and the figures of growth mean what they say."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo.database import Database
from redis import Redis

from app.interactions.store import INDEXES
from app.usage.store import UsageStore
from bench.growth import keys, stored
from bench.growth.accounts import Accounts
from bench.growth.archivers import PartStore
from bench.growth.arrivals import simulate
from bench.growth.capacity import BUSY_SHARE, per_core_and_s, rows_of
from bench.growth.commandstats import script_calls
from bench.growth.producer import Setting
from bench.stage import Stage, standing
from scripts.lib.replay.trace import HEADER
from tests.schema import make_schema
from tests.turns import body, new_account, now_ms, row

pytestmark = pytest.mark.slow  # seconds of work

ARRIVALS_COUNT = 120
ORGANIZATIONS_COUNT = 12


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "small.csv"
    lines = [f"2023-11-16 18:15:{n / 10:09.6f},374,44" for n in range(ARRIVALS_COUNT)]
    path.write_text("\n".join([HEADER, *lines]))
    return path


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with standing() as running:
        yield running


def test_every_arrival_is_accepted_or_refused_and_the_books_balance(
    stage: Stage, trace: Path
) -> None:
    setting = Setting(
        *(stage.url, stage.redis_url, trace, now_ms() - 60_000),
        speed=10,
        organizations=ORGANIZATIONS_COUNT,
        # A free organization may record five turns.
        quota_share=0.005,
        seed=1,
        workers=2,
    )
    found = simulate(stage, setting)

    assert found["arrived"] == ARRIVALS_COUNT
    assert found["accepted"] + found["rate_limited"] + found["quota_refused"] == ARRIVALS_COUNT
    assert found["others"] == {}
    assert found["accepted"] > 0
    assert found["quota_refused"] > 0
    assert found["accounts whose counters = ledger"] == ORGANIZATIONS_COUNT
    assert found["archive, days of accounts"] >= found["accounts with turns"] > 0
    assert found["reconcile, accounts"] == ORGANIZATIONS_COUNT
    # 120 arrivals, a tenth of a second apart, ten times as fast.
    assert found["duration_s"] >= 1.1


@pytest.mark.long
def test_bytes_are_those_of_rows_and_of_every_index(stage: Stage) -> None:
    (small, _), (large, by_index) = stored.run(stage, (300, 3_000))
    assert (small["turns"], large["turns"]) == (300, 3_000)
    assert set(by_index) - {"turns"} == {"_id_", *INDEXES}
    # Rounded one by one.
    total = sum(by_index.values()) - by_index["turns"]
    assert total == pytest.approx(large["index bytes, on disk"], abs=len(by_index))
    # Archived turns are no longer open.
    assert by_index["open"] < 10 < by_index["retention"]
    assert 400 < large["row bytes, BSON"] < 2_000


def test_a_turn_adds_to_its_account_and_a_relationship_to_the_idle_one(live_redis: Redis) -> None:
    small, giant = Accounts(live_redis, 3), Accounts(live_redis, 1, relationships_count=200)
    found = small.bytes_each()
    assert found["bytes, idle"] > 100
    assert found["its first turn adds"] > found["a further turn adds, for 5 minutes"] > 10
    assert giant.idle_bytes(1) > found["bytes, idle"] + 200 * 10

    sample = small.admitting(os.getpid(), calls_count=7)()

    assert script_calls([live_redis])[0] == 7
    assert 0 < sample.figure < sample.beside["call_us"]


@pytest.mark.long
def test_a_key_that_is_not_cached_is_looked_up(stage: Stage) -> None:
    (result,) = keys.run(stage, 1)
    assert result.ratio > 2
    assert result.middle(0, "cpu_s_mongod") > 0


def test_script_calls_are_those_since_the_statistics_were_reset(live_redis: Redis) -> None:
    live_redis.config_resetstat()
    assert script_calls([live_redis]) == (0, 0)
    script = live_redis.register_script("return redis.call('TIME')")
    for _ in range(5):
        script()
    calls_count, script_us = script_calls([live_redis, live_redis])
    assert calls_count in {10, 12}  # a server that does not know the script is asked once more
    assert script_us > 0


def test_parts_hold_every_open_day_once(live_database: Database[dict[str, object]]) -> None:
    make_schema(live_database)
    rows = [row(new_account(), body()) for _ in range(40)]
    live_database["interactions"].insert_many(rows)

    parts = [set(PartStore(live_database, part, 2).open_days()) for part in (0, 1)]

    assert all(parts)
    assert parts[0].isdisjoint(parts[1])
    assert parts[0] | parts[1] == set(UsageStore(live_database).open_days())


def test_a_core_is_planned_to_be_busy_for_a_share_of_its_time() -> None:
    assert per_core_and_s(2.0) == pytest.approx(500 * BUSY_SHARE)
    assert per_core_and_s(0) == float("inf")
    (line,) = rows_of({"GET": {"cpu_s_app": 1.0, "cpu_s_redis": 0.1, "cpu_s_mongod": 0.5}})
    assert line["requests/s a core of app"] == f"{1_000 * BUSY_SHARE:,.0f}"
    assert line["CPU s per 1,000, mongod"] == "0.50"
