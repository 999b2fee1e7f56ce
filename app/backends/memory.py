"""The in-memory twins, for fast tests and for machines without the bundled servers.

One process only, nothing is kept, and the twins lack validators, explain and transactions.
"""

from typing import Any

import fakeredis
import mongomock
from pymongo.database import Database

from app.backends import Backend

DATABASE = "turnledger"


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
