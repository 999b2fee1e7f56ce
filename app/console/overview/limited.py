"""Organizations that were refused by rate or quota in the last five minutes."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.console.shared_reads import shared
from app.http.application import provided
from app.minutes.model import Refusal
from app.minutes.service import Minutes
from app.watch.limited import LimitedList, LimitedOrganization, LimitedOrganizations

MOST_ROWS = 25
LAST_MINUTES = 60

_Found = tuple[LimitedList, Sequence[Mapping[Refusal, int]]]


def find_limited() -> dict[str, Any]:
    """Return limited organizations with their causes, the most refused first."""
    (found, by_minute), as_of = shared("limited", _read)
    refused = [each for each in found.organizations if each.refusals]
    return {
        "as_of": as_of,
        "organizations": [_row(each, by_minute) for each in refused[:MOST_ROWS]],
        "found": len(refused),
        "refused_of_others": found.others_count,
        "not_full_buckets": len(found.organizations),
    }


def _read() -> _Found:
    minutes = provided(Minutes)
    return provided(LimitedOrganizations).list_(), minutes.list_refusals(LAST_MINUTES)


def _row(
    limited: LimitedOrganization, by_minute: Sequence[Mapping[Refusal, int]]
) -> dict[str, Any]:
    organization = limited.organization
    return {
        "organization_id": organization.id,
        "name": organization.name,
        "plan": organization.plan,
        "refused": limited.refused_count,
        "causes": [{"cause": cause, "refused": count} for cause, count in limited.causes],
        "is_by_rate": limited.is_by_rate,
        "tokens_left": limited.bucket.remaining,
        "burst": organization.limits.burst,
        "requests_per_second": organization.limits.requests_per_second,
        "last_hour": [_refused(organization.id, minute) for minute in by_minute],
    }


def _refused(organization_id: str, minute: Mapping[Refusal, int]) -> int:
    return sum(count for each, count in minute.items() if each.organization_id == organization_id)
