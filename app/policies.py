"""How each route is guarded: one table.

A route that is not in `POLICIES` keeps the application from starting, so forgetting is impossible.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from app.tenancy.model import Scope


class Door(Enum):
    """How a route is guarded."""

    PROBE = "neither limited nor authenticated"
    PUBLIC = "no key, one bucket for each address"
    OPERATOR = "the operator's token"
    METERED = "a key; the organization's bucket is charged at once"
    RECORDING = "a key; bucket and quota are charged together, once the turns are parsed"


class Weight(Enum):
    """How long a request may hold a thread; see `app.admission.concurrency`."""

    LIGHT = "a few milliseconds, whatever the account holds"
    HEAVY = "longer: batches and streams"
    HEAVY_WITH_FILTER = "longer with a filter of `RAW_FILTERS`, which is summed from raw turns"


# The archive keeps sums of days, and no user or relationship in them.
RAW_FILTERS = frozenset({"user_id", "relationship_id"})


@dataclass(frozen=True, slots=True)
class Policy:
    """A door, the scope that a key needs to pass it, whether query parameters may, the weight.

    `shows_quota` says that the quota is part of what the route tells: it is read at the door, if it
    is not charged later, and its headers are on success and on a 400 of a route that only reads.
    `needs_redis` closes the route while Redis is ill.
    """

    door: Door
    scope: Scope | None = None
    takes_query: bool = False
    shows_quota: bool = False
    needs_redis: bool = False
    weight: Weight = Weight.LIGHT

    def is_heavy(self, parameters: Iterable[str]) -> bool:
        """Return True if a request with query `parameters` of these names may take long."""
        if self.weight is Weight.HEAVY_WITH_FILTER:
            return not RAW_FILTERS.isdisjoint(parameters)
        return self.weight is Weight.HEAVY


PROBE = Policy(Door.PROBE)
PUBLIC = Policy(Door.PUBLIC)
OPERATOR = Policy(Door.OPERATOR)
READING = Policy(Door.METERED, Scope.READ)
LISTING = Policy(Door.METERED, Scope.READ, takes_query=True)
MANAGING = Policy(Door.METERED, Scope.ADMIN)
# Keys are made and revoked by Redis's clock, and who may guess or flood here must be limited
# exactly. Operators have `flask key` meanwhile.
CHANGING_KEYS = replace(MANAGING, needs_redis=True)
RECORDING = Policy(Door.RECORDING, Scope.READ_WRITE, shows_quota=True)
USAGE = Policy(Door.METERED, Scope.READ, shows_quota=True)

POLICIES: Mapping[str, Policy] = {
    "health.alive": PROBE,
    "health.ready": PROBE,
    "metrics.scrape": OPERATOR,
    "api-docs.openapi_json": PUBLIC,
    "documentation.errors": PUBLIC,
    "accounts.list_plans": PUBLIC,
    "accounts.me": READING,
    "accounts.list_api_keys": replace(MANAGING, takes_query=True),
    "accounts.create_api_key": CHANGING_KEYS,
    "accounts.get_api_key": MANAGING,
    "accounts.revoke_api_key": CHANGING_KEYS,
    "usage.aggregates": replace(LISTING, weight=Weight.HEAVY_WITH_FILTER),
    "usage.turns": replace(USAGE, takes_query=True),
    "usage.active_relationships": USAGE,
    "interactions.list_": LISTING,
    "interactions.get": READING,
    "interactions.record": RECORDING,
    "interactions.record_many": replace(RECORDING, weight=Weight.HEAVY),
    "turns.reserve": RECORDING,
    "turns.complete": RECORDING,
    "turns.cancel": RECORDING,
}
