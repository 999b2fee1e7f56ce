"""The cost of the questions over all organizations, with thousands of them on real servers."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from ulid import ULID

from app.admission import peek
from app.admission.keys import account_keys
from app.backends.backend import Backend
from app.http.application import provided
from app.tenancy.model import Environment
from app.tenancy.periods import period_at
from app.watch.limited import LimitedOrganizations
from app.watch.near import NearestToCeilings
from tests.turns import now_ms

MANY_COUNT = 10_000
NOW = datetime.now(UTC)
# The ceiling of each organization.
TURNS = 20_000


@pytest.fixture(params=[2_000, pytest.param(MANY_COUNT, marks=pytest.mark.long)])
def organizations_count(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count


@pytest.fixture
def full_app(live_app: Flask, live_redis: Redis, organizations_count: int) -> Iterator[Flask]:
    """Yield the application with organizations that have used 0, 1, 2… turns of 20,000."""
    ids = [f"org_{ULID()}" for _ in range(organizations_count)]
    with live_app.app_context():
        provided(Backend).database["organizations"].insert_many(
            [
                {
                    "_id": organization_id,
                    "name": "Acme",
                    "plan": "pro",
                    "overrides": {"turns": TURNS},
                    "is_suspended": False,
                    "signed_up_on": NOW.date().isoformat(),
                    "created_at": NOW,
                }
                for organization_id in ids
            ]
        )
    period = period_at(NOW.date(), now_ms() * 1_000).label
    with live_redis.pipeline(transaction=False) as pipeline:
        for used, organization_id in enumerate(ids):
            keys = account_keys(organization_id, "live", period)
            counters = {"turns_used": used, "turns_reserved": 0, "relationships_used": 0}
            pipeline.hset(keys.quota, mapping=counters)
            pipeline.hset(keys.bucket, mapping={"level": used, "at": now_ms() * 1_000})
        pipeline.execute()
    yield live_app
    with live_app.app_context():
        provided(Backend).database["organizations"].delete_many({})


@pytest.fixture
def batch_sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list to which each round trip to Redis adds its number of commands."""
    counts: list[int] = []

    def counted(redis: Redis, commands: list[Any]) -> list[Any]:
        counts.append(len(commands))
        return send_batch(redis, commands)

    send_batch = peek.send_batch
    monkeypatch.setattr(peek, "send_batch", counted)
    return counts


def test_nearest_of_many_organizations_reads_1_000_accounts_at_once(
    full_app: Flask, batch_sizes: list[int], live_redis: Redis, organizations_count: int
) -> None:
    live_redis.config_resetstat()
    with full_app.app_context():
        found = provided(NearestToCeilings).list_(list(Environment))

    assert batch_sizes == [1_000] * (2 * organizations_count // 1_000)
    asked: Any = live_redis.info("commandstats")
    assert asked["cmdstat_hmget"]["calls"] == 2 * organizations_count
    assert not {"cmdstat_evalsha", "cmdstat_hset", "cmdstat_set"} & set(asked)
    counts = (found.compared_count, found.not_loaded_count)
    assert counts == (organizations_count, organizations_count)
    used = [account.uses[0].used for account in found.accounts[:3]]
    assert used == [organizations_count - 1, organizations_count - 2, organizations_count - 3]


def test_buckets_of_many_organizations_are_read_1_000_at_once(
    full_app: Flask, batch_sizes: list[int], organizations_count: int
) -> None:
    with full_app.app_context():
        found = provided(LimitedOrganizations).list_()

    assert batch_sizes == [1_000] * (organizations_count // 1_000)
    # The fixture has left them a token at most, and 50 fit in.
    assert len(found.organizations) > 0
    first, last = found.organizations[0], found.organizations[-1]
    assert first.bucket.remaining <= last.bucket.remaining


@pytest.mark.long
@pytest.mark.parametrize("organizations_count", [MANY_COUNT])
@pytest.mark.parametrize("service", [NearestToCeilings, LimitedOrganizations])
def test_10_000_organizations_are_compared_in_under_two_seconds(
    full_app: Flask, report_figures: Callable[..., None], service: type
) -> None:
    arguments = [list(Environment)] if service is NearestToCeilings else []
    with full_app.app_context():
        asked = provided(service)
    began_s = time.perf_counter()
    asked.list_(*arguments)
    took_s = time.perf_counter() - began_s
    report_figures(took_s=round(took_s, 3))
    assert took_s < 2
