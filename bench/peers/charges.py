"""The admission script by a bare `EVALSHA`, its reply unread, then a bare `insert_one`."""

from itertools import cycle
from typing import Any

from pymongo import MongoClient
from redis import Redis

from app.admission.keys import AccountKeys
from app.admission.ledger import LedgerCount
from app.admission.policy import BucketPolicy, QuotaPolicy
from app.admission.relationships import RelationshipNames
from app.admission.script import AdmissionScript
from app.admission.script_source import SOURCE
from app.http.instants import utc_now
from app.interactions.store import COLLECTION
from app.tenancy.model import Limits
from app.tenancy.periods import period_at
from app.tenancy.plans import MAX_BURST
from bench.peers.inserts import rename
from bench.peers.looping import Asked, Round, loop
from bench.turns import rows
from tests.turns import HOUR_MS, now_ms

ROWS_COUNT = 1_000


def make(asked: Asked) -> Round:
    redis = Redis.from_url(asked["redis_url"], decode_responses=True, protocol=2)
    client = MongoClient[dict[str, Any]](asked["url"], w="majority")
    collection = client.get_default_database()[COLLECTION]
    keys, limits = _seeded(redis, asked["organization_id"])
    digest = redis.script_load(SOURCE)
    made = cycle(rows(asked["account"], now_ms() - HOUR_MS, 1, ROWS_COUNT))

    def record() -> None:
        row = next(made)
        rename(row)
        charge = (row["turn_key"], row["usage"]["turns_consumed"], "", "")
        redis.evalsha(digest, len(keys), *keys, "admit", *limits, *charge)
        collection.insert_one(row)

    return record


def _seeded(redis: Redis, organization_id: str) -> tuple[tuple[str, ...], list[int]]:
    """Return keys and limits of an organization that signed up today, its quota loaded."""
    wide = Limits(MAX_BURST, MAX_BURST, None, None)
    period = period_at(utc_now().date(), now_ms() * 1_000)
    bucket, quota = BucketPolicy.of(wide), QuotaPolicy.of(wide, period)
    keys = AccountKeys(organization_id, "live", period.label)
    AdmissionScript(redis, RelationshipNames("id key of the bench")).seed(
        keys,
        quota,
        counted=LedgerCount(0, 0),
        newest_recorded_at_us=0,
        relationships_count=0,
        staging_key=keys.staging("bench"),
    )
    return keys.for_script, [*bucket.one_token, *quota.arguments]


if __name__ == "__main__":
    loop(make)
