"""Organizations, their limits and changes of these, as commands print them."""

from collections.abc import Iterable
from dataclasses import asdict

from app.cli.output import FAULTY, Record
from app.http.instants import format_datetime
from app.tenancy.model import FaultyOrganization, FoundOrganization, Limits, Organization
from app.watch.texts import limit_text


def organization_wire(organization: FoundOrganization) -> Record:
    """Return an organization for `--json`; limits are null if it is faulty."""
    created_at = organization.created_at
    served = None if isinstance(organization, FaultyOrganization) else organization
    return {
        "id": organization.id,
        "name": organization.name,
        "plan": organization.plan,
        "is_suspended": organization.is_suspended,
        "signed_up_on": _day(organization),
        "created_at": format_datetime(created_at) if created_at else None,
        "limits": _limits(served.limits) if served else None,
        "overrides": dict(served.overrides) if served else None,
        "temporary_limits": _temporary(served) if served else None,
    }


def _limits(limits: Limits) -> Record:
    return asdict(limits) | {"uncharged_turns": limits.uncharged_ceiling}


def organization_line(organization: FoundOrganization) -> Record:
    """Return an organization as a line of the table of all."""
    return {
        "id": organization.id,
        "name": organization.name,
        "plan": _plan(organization),
        **_limits_in_a_line(organization),
        "suspended": organization.is_suspended,
    }


def _limits_in_a_line(organization: FoundOrganization) -> Record:
    if isinstance(organization, FaultyOrganization):
        return dict.fromkeys(("rate", "turns", "relationships"))
    limits = organization.limits
    return {
        "rate": f"{limits.requests_per_second:,}/s, burst {limits.burst:,}",
        "turns": limit_text(limits.turns),
        "relationships": limit_text(limits.active_relationships),
    }


def organization_row(organization: FoundOrganization) -> Record:
    """Return an organization as a table of its own."""
    return {
        "id": organization.id,
        "name": organization.name,
        "plan": _plan(organization),
        "suspended": organization.is_suspended,
        "signed_up_on": _day(organization),
        **_limits_in_rows(organization),
    }


def _limits_in_rows(organization: FoundOrganization) -> Record:
    if isinstance(organization, FaultyOrganization):
        return {}
    limits = organization.limits
    return {
        "requests_per_second": limit_text(limits.requests_per_second),
        "burst": limit_text(limits.burst),
        "turns": limit_text(limits.turns),
        "active_relationships": limit_text(limits.active_relationships),
        "uncharged_turns": limit_text(limits.uncharged_ceiling),
        "overage": limits.overage_policy.value,
        "own_limits": ", ".join(organization.overrides) or None,
        "temporary_limits": _temporary_in_a_row(organization) or None,
    }


def _temporary(organization: Organization) -> Record:
    return {
        name: {"value": limit.value, "until": format_datetime(limit.until)}
        for name, limit in organization.temporary_limits.items()
    }


def _temporary_in_a_row(organization: Organization) -> str:
    return "\n".join(
        f"{name} until {format_datetime(limit.until)}"
        for name, limit in organization.temporary_limits.items()
    )


def _plan(organization: FoundOrganization) -> str | None:
    """Return the plan, with `(faulty)` if the organization cannot be served."""
    if isinstance(organization, FaultyOrganization):
        return f"{organization.plan or '-'} {FAULTY}"
    return organization.plan


def _day(organization: FoundOrganization) -> str | None:
    return organization.signed_up_on.isoformat() if organization.signed_up_on else None


def limit_changes(names: Iterable[str], before: Organization, after: Organization) -> list[Record]:
    """Return the value in force of each limit named, before and after a change, and its end."""
    old, new = _limits(before.limits), _limits(after.limits)
    return [
        {"limit": name, "before": old[name], "after": new[name], "until": _until(after, name)}
        for name in names
    ]


def limit_change_row(change: Record) -> Record:
    """Return a change of a limit for a table."""
    return change | {name: limit_text(change[name]) for name in ("before", "after")}


def _until(organization: Organization, name: str) -> str | None:
    temporary = organization.temporary_limits.get(name)
    return format_datetime(temporary.until) if temporary else None
