"""The in-memory twins, for fast tests and for machines without the bundled servers.

One process only, nothing is kept, and the twins lack validators, explain and transactions.
"""

from math import isfinite
from typing import Any

import fakeredis
import mongomock
import mongomock.database
from mongomock import aggregate
from mongomock.collection import Collection
from pymongo.database import Database

from app.backends import Backend, MongodbResting
from app.backends.breaker import Breaker
from app.clients import MaintenanceDatabase, MaintenanceRedis, RequestDatabase, RequestRedis

DATABASE = "turnledger"


class _Collection(Collection):
    """A collection that takes the hints of updates, which it has no use for."""

    def _update(self, *arguments: Any, hint: str | None = None, **options: Any) -> Any:
        return super()._update(*arguments, **options)  # type: ignore[no-untyped-call]


class _Parser(aggregate._Parser):  # noqa: SLF001 (see below)
    """Expressions with the one conversion that roll-ups need."""

    def _handle_type_convertion_operator(self, operator: str, values: Any) -> Any:
        if operator != "$convert":
            return super()._handle_type_convertion_operator(operator, values)  # type: ignore[no-untyped-call]
        try:
            number = self.parse(values["input"])  # type: ignore[no-untyped-call]
        except KeyError:
            number = None
        is_number = isinstance(number, int | float) and isfinite(number)
        return int(number) if is_number else values["onNull" if number is None else "onError"]


# The twin has no setting for either.
aggregate._Parser = _Parser  # type: ignore[misc]  # noqa: SLF001
mongomock.database.Collection = _Collection  # type: ignore[attr-defined]


def connect() -> Backend:
    """Make an empty store of its own; two calls share nothing."""
    database: Database[dict[str, Any]] = mongomock.MongoClient(tz_aware=True)[DATABASE]
    redis = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer(), decode_responses=True)
    return Backend(
        database=RequestDatabase(database),
        maintenance_database=MaintenanceDatabase(database),
        redis=RequestRedis(redis),
        maintenance_redis=MaintenanceRedis(redis),
        mongodb_breaker=Breaker("mongodb", lambda: None, MongodbResting),
        require_redis=redis.ping,
        close=redis.close,
    )
