"""The in-memory twins, for fast tests and for machines without the bundled servers.

One process only, nothing is kept, and the twins lack validators, explain and transactions.
"""

from typing import Any

import fakeredis
import mongomock
import mongomock.collection
import mongomock.database
from pymongo.database import Database

from app.backends import Backend

DATABASE = "turnledger"


class _Collection(mongomock.collection.Collection):
    """A collection that takes the hints of updates, which it has no use for."""

    def _update(self, *arguments: Any, hint: str | None = None, **options: Any) -> Any:
        return super()._update(*arguments, **options)  # type: ignore[no-untyped-call]


mongomock.database.Collection = _Collection  # type: ignore[attr-defined]


def connect() -> Backend:
    """Make an empty store of its own; two calls share nothing."""
    database: Database[dict[str, Any]] = mongomock.MongoClient(tz_aware=True)[DATABASE]
    redis = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer(), decode_responses=True)
    return Backend(
        database=database,
        maintenance_database=database,
        redis=redis,
        maintenance_redis=redis,
        close=redis.close,
    )
