"""The data of the list of organizations: the shares are those of `flask quota top`."""

from typing import Any

from app.backends.outages import REDIS_OUTAGES
from app.console.organization_data import organization_data
from app.console.quota_data import state_of
from app.console.shared_reads import shared
from app.http.application import provided
from app.http.instants import format_us
from app.tenancy.model import Environment, Organization, OveragePolicy
from app.watch.accounts import PAGE_SIZE, AccountLine, AccountPage, Accounts, Order, page_of
from app.watch.near import Use

Item = dict[str, Any]


def organizations_data(environment: Environment, words: str, order: Order, number: int) -> Item:
    """Return a page of the list; without Redis it is by name and has no counters."""
    is_redis_available = True
    try:
        lines, as_of = _read(environment)
    except REDIS_OUTAGES:
        is_redis_available = False
        lines, as_of = shared("organizations", provided(Accounts).lines_without_counters)
    found = page_of(lines, words, order if is_redis_available else Order.NAME, number)
    return {
        "as_of": as_of,
        "environment": environment.value,
        "filter": words,
        "order": order.value,
        "is_redis_available": is_redis_available,
        **_counts(found),
        "organizations": [_line(line) for line in found.lines],
    }


def _read(environment: Environment) -> tuple[list[AccountLine], str]:
    """Read the accounts; all views share what they read, whatever their filter and page."""
    return shared(f"accounts {environment}", lambda: provided(Accounts).lines(environment))


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
