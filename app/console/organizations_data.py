"""The data of the list of organizations: the shares are those of `flask quota top`."""

from typing import Any

from app.backends.outages import REDIS_OUTAGES
from app.console.organization_data import organization_data
from app.console.quota_data import state_of
from app.http.application import provided
from app.http.instants import format_us
from app.tenancy.model import Environment, Organization, OveragePolicy
from app.watch.accounts import PAGE_SIZE, AccountLine, AccountPage, Accounts, Order
from app.watch.near import Use

Item = dict[str, Any]


def organizations_data(environment: Environment, words: str, order: Order, number: int) -> Item:
    """Return a page of the list; without Redis it is by name and has no counters."""
    accounts = provided(Accounts)
    is_redis_available = True
    try:
        found = accounts.page(environment, words, order, number)
    except REDIS_OUTAGES:
        is_redis_available = False
        found = accounts.page(environment, words, Order.NAME, number, has_counters=False)
    return {
        "environment": environment.value,
        "filter": words,
        "order": order.value,
        "is_redis_available": is_redis_available,
        **_counts(found),
        "organizations": [_line(line) for line in found.lines],
    }


def _counts(found: AccountPage) -> Item:
    return {
        "page": found.number,
        "pages": found.pages_count,
        "page_size": PAGE_SIZE,
        "found": found.found_count,
        "all": found.all_count,
    }


def _line(line: AccountLine) -> Item:
    use = line.uses[0] if line.uses else None
    return {**organization_data(line.organization), "use": _use(line, use) if use else None}


def _use(line: AccountLine, use: Use) -> Item:
    organization, quota = line.organization, line.quota
    if quota is None or not isinstance(organization, Organization):
        raise AssertionError("a use comes from counters of a sound organization")
    held = quota.turns_reserved if use.component == "turns" else 0
    overage, state = organization.limits.overage_policy, state_of(use.used, use.limit)
    # The other ceilings that `Use` has are enforced also under overage.
    if state == "spent" and overage is OveragePolicy.ALLOW and use.component == "turns":
        state = "over_allowed"
    return {
        "component": use.component,
        "used": use.used - held,
        "held": held,
        "limit": use.limit,
        "left": use.limit - use.used,
        "per_mille": use.per_mille,
        "resets_at": format_us(quota.period_end_us),
        "overage": overage.value,
        "state": state,
    }
