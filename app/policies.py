"""How each route is guarded: one table.

A route that is not in `POLICIES` keeps the application from starting, so forgetting is impossible.
"""

from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class Policy:
    """A door, the scope that a key needs to pass it, whether query parameters may.

    `shows_quota` says that the quota is part of what the route tells: it is read at the door, if it
    is not charged later, and its headers are on success and on a 400 of a route that only reads.
    `needs_redis` closes the route while Redis is ill.
    """

    door: Door
    scope: Scope | None = None
    takes_query: bool = False
    shows_quota: bool = False
    needs_redis: bool = False


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
    "accounts.list_api_keys": MANAGING,
    "accounts.create_api_key": CHANGING_KEYS,
    "accounts.get_api_key": MANAGING,
    "accounts.revoke_api_key": CHANGING_KEYS,
    "usage.aggregates": LISTING,
    "usage.turns": replace(USAGE, takes_query=True),
    "usage.active_relationships": USAGE,
    "interactions.list_": LISTING,
    "interactions.get": READING,
    "interactions.record": RECORDING,
    "interactions.record_many": RECORDING,
    "turns.reserve": RECORDING,
    "turns.complete": RECORDING,
    "turns.cancel": RECORDING,
}
