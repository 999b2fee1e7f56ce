"""The in-memory twins, for fast tests and for machines without the bundled servers.

One process only, nothing is kept, and the twins lack validators, explain and transactions.
"""

from typing import Any

import fakeredis
import mongomock
import mongomock.database
from mongomock.collection import Collection
from pymongo.database import Database

from app.backends import Backend, MongodbResting
from app.backends.breaker import Breaker

DATABASE = "turnledger"


class _Collection(Collection):
    """A collection that takes the hints of updates, which it has no use for."""

    def _update(self, *arguments: Any, hint: str | None = None, **options: Any) -> Any:
        return super()._update(*arguments, **options)  # type: ignore[no-untyped-call]


# The twin has no setting for it.
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
        mongodb_breaker=Breaker("mongodb", lambda: None, MongodbResting),
        require_redis=redis.ping,
        close=redis.close,
    )
