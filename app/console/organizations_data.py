"""The data of the list of organizations: the shares are those of `flask quota top`."""

from typing import Any

from app.backends.outages import REDIS_OUTAGES
from app.console.organization_data import organization_data
from app.console.shared_reads import shared
from app.console.use_data import use_data
from app.http.application import provided
from app.tenancy.model import Environment, Organization
from app.watch.accounts import PAGE_SIZE, AccountLine, AccountPage, Accounts, Order, page_of

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
    organization, quota = line.organization, line.quota
    use = None
    if line.uses and quota is not None and isinstance(organization, Organization):
        use = use_data(line.uses[0], quota, organization.limits)
    return {**organization_data(organization), "use": use}
