"""List how each route is guarded, in one table.

A *door* is what a request must pass before its route runs: whether it needs a key, and what is
charged for it. Each route has one, and the `Policy` of the route adds the details. `app.access` is
the code of all doors.

A route that is not in `POLICIES` keeps the application from starting, so forgetting is impossible.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from app.tenancy.errors import OrganizationSuspended, ScopeMissing
from app.tenancy.model import Principal, Scope


class Door(Enum):
    """How a route is guarded."""

    PROBE = "neither limited nor authenticated"
    FILE = "neither limited nor authenticated: a page asks for several files, from memory"
    PUBLIC = "no key, one bucket for each address"
    OPERATOR = "the operator's token"
    CONSOLE = "a session of the console; without one, the bucket of the address"
    LOGIN = "no key, one bucket for each address; never kept by caches"
    METERED = "a key; the organization's bucket is charged at once"
    PEEKING = "a key; a bucket of this worker is charged, and nothing in Redis"
    RECORDING = "a key; bucket and quota are charged together, once the turns are parsed"

    @property
    def asks_for_key(self) -> bool:
        """Return True if only requests with a valid API key pass."""
        return self in {Door.METERED, Door.PEEKING, Door.RECORDING}


# `app.console` looks for the session of CONSOLE, and charges the address without one.
UNCHARGED = (Door.PROBE, Door.FILE, Door.CONSOLE)
CHARGED_BY_ADDRESS = (Door.PUBLIC, Door.LOGIN)
# Answers without an error are the same for every client.
CACHEABLE = (Door.PUBLIC, Door.FILE)


class Weight(Enum):
    """How long a request may hold a thread; see `app.admission.concurrency`."""

    LIGHT = "a few milliseconds, whatever the account holds"
    HEAVY = "longer: batches and streams"
    HEAVY_WITH_PARAMETER = "longer with one of `HEAVY_PARAMETERS`"


# The archive keeps sums of days, and no user or relationship in them: these are summed from raw
# turns. A breakdown reads every name of each day.
HEAVY_PARAMETERS = frozenset({"user_id", "relationship_id", "breakdown"})


@dataclass(frozen=True, slots=True)
class Policy:
    """How one route is guarded; ValueError if `door` and `scope` contradict each other.

    * `scope`: the scope that a key needs; None at doors that ask for no key.
    * `takes_query`: query parameters are for the route to judge; otherwise they are refused.
    * `shows_quota`: the quota is part of the answer. A METERED route reads it at the door.
    * `needs_redis`: the route is refused while Redis is unavailable.
    * `weight`: see `app.admission.concurrency`.
    * `exports`: the answer is a stream, and heavy, if the request's `Accept` names an export.
    """

    door: Door
    scope: Scope | None = None
    takes_query: bool = False
    shows_quota: bool = False
    needs_redis: bool = False
    weight: Weight = Weight.LIGHT
    exports: bool = False

    def __post_init__(self) -> None:
        """Check the scope at import: a route without one would admit every key."""
        if self.door.asks_for_key is (self.scope is None):
            rule = "needs a scope" if self.door.asks_for_key else "takes no scope"
            raise ValueError(f"A policy with the door {self.door.name} {rule}.")

    def require_permission(self, principal: Principal) -> None:
        """Raise OrganizationSuspended or ScopeMissing if `principal` may not use the route."""
        if principal.is_suspended:
            raise OrganizationSuspended
        if self.scope is not None and self.scope not in principal.scope.included:
            raise ScopeMissing(self.scope)

    def is_heavy(self, parameters: Iterable[str]) -> bool:
        """Return True if a request with query `parameters` of these names may take long."""
        if self.weight is Weight.HEAVY_WITH_PARAMETER:
            return not HEAVY_PARAMETERS.isdisjoint(parameters)
        return self.weight is Weight.HEAVY

    def shows_quota_in(self, status: int) -> bool:
        """Return True if an answer with this status has quota headers whatever it charged.

        | status | quota headers |
        | --- | --- |
        | below 400 | if `shows_quota` |
        | 400 | if `shows_quota` and the route only reads |
        | 403, 429 | always |
        """
        if status in (403, 429):
            return True
        return self.shows_quota and (status < 400 or (status == 400 and self.door is Door.METERED))


PROBE = Policy(Door.PROBE, takes_query=True)
# Requests that no route matches; the router answers them.
UNMATCHED = PROBE
PUBLIC = Policy(Door.PUBLIC)
FILE = Policy(Door.FILE)
OPERATOR = Policy(Door.OPERATOR)
CONSOLE = Policy(Door.CONSOLE, takes_query=True)
LOGIN = Policy(Door.LOGIN, takes_query=True)
READING = Policy(Door.METERED, Scope.READ)
LISTING = Policy(Door.METERED, Scope.READ, takes_query=True)
MANAGING = Policy(Door.METERED, Scope.ADMIN)
# Keys are made and revoked by Redis's clock, and these routes must be limited exactly. Operators
# have `flask key` meanwhile.
CHANGING_KEYS = replace(MANAGING, needs_redis=True)
RECORDING = Policy(Door.RECORDING, Scope.READ_WRITE, shows_quota=True)
USAGE = Policy(Door.METERED, Scope.READ, shows_quota=True)

POLICIES: Mapping[str, Policy] = {
    "health.alive": PROBE,
    "health.ready": PROBE,
    "metrics.scrape": OPERATOR,
    "api-docs.openapi_json": PUBLIC,
    "assets.static": FILE,
    "pages.start": PUBLIC,
    "pages.reference": PUBLIC,
    "pages.errors": PUBLIC,
    "pages.error": PUBLIC,
    "console.log_in": LOGIN,
    "console.log_out": LOGIN,
    "console.choose_theme": LOGIN,
    "console.overview": CONSOLE,
    "console.keys": CONSOLE,
    "console.change_keys": CONSOLE,
    "console.requests": CONSOLE,
    "console.one_request": CONSOLE,
    "console.audit": CONSOLE,
    "console.find": CONSOLE,
    "console.organizations": CONSOLE,
    "console.organization": CONSOLE,
    "console.limit_change": CONSOLE,
    "console.change_limits": CONSOLE,
    "console.suspend": CONSOLE,
    "console.resume": CONSOLE,
    "console.unknown": CONSOLE,
    "accounts.list_plans": PUBLIC,
    "accounts.me": READING,
    "accounts.subscription": READING,
    "accounts.list_api_keys": replace(MANAGING, takes_query=True),
    "accounts.create_api_key": CHANGING_KEYS,
    "accounts.get_api_key": MANAGING,
    "accounts.revoke_api_key": CHANGING_KEYS,
    "usage.aggregates": replace(LISTING, weight=Weight.HEAVY_WITH_PARAMETER),
    "usage.turns": replace(USAGE, takes_query=True, weight=Weight.HEAVY_WITH_PARAMETER),
    "usage.active_relationships": USAGE,
    "usage.credits_": USAGE,
    "usage.limits": Policy(Door.PEEKING, Scope.READ),
    "interactions.list_": replace(LISTING, exports=True),
    "interactions.get": READING,
    "interactions.record": RECORDING,
    "interactions.record_many": replace(RECORDING, weight=Weight.HEAVY),
    "otlp.receive": replace(RECORDING, weight=Weight.HEAVY),
    "turns.reserve": RECORDING,
    "turns.complete": RECORDING,
    "turns.complete_many": replace(RECORDING, weight=Weight.HEAVY),
    "turns.cancel": RECORDING,
}
