"""The limits of an organization, and a change of them before it is made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.audit.model import Author
from app.http.instants import format_datetime, format_ms, parse_ms
from app.http.request_errors import InvalidFields, field_error
from app.tenancy.model import Limits, Organization, Plan
from app.tenancy.records import require_sound_organization
from app.tenancy.service import Organizations
from app.tenancy.versions import version_of

Item = dict[str, Any]
OVERAGE = "overage_policy"
LABELS = {
    "turns": "Turns per period",
    "active_relationships": "Active relationships",
    "uncharged_turns": "Uncharged turns per period",
    "requests_per_second": "Requests per second",
    "burst": "Burst",
    OVERAGE: "Overage",
}
FIELDS = ("plan", "own", *LABELS, "until")
# The choice that drops own limits which the form does not name.
DROP = "drop"
# A number as pages and commands write it: 60,000, 60_000, 60 000.
_SEPARATORS = re.compile(r"[,_\s]")
_MOST_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Asked:
    """The change that a form asks for; None and missing limits stay as they are."""

    plan: str | None
    keeps_own: bool
    limits: Mapping[str, int | str]
    until_ms: int | None

    @property
    def is_of_plan(self) -> bool:
        """Return True if it sets the plan, or drops own limits."""
        return self.plan is not None or not self.keeps_own

    @property
    def is_empty(self) -> bool:
        """Return True if it asks for no change."""
        return not self.is_of_plan and not self.limits


def limits_data(organization: Organization, plan: Plan | None) -> list[Item]:
    """Return each limit: that of the plan, that in force, and its own part.

    `own` is `permanent` or `temporary`, then with `until`; None for a limit of the plan.
    """
    of_plan = _values(plan.limits) if plan else {}
    return [
        {
            "limit": name,
            "label": LABELS[name],
            "of_plan": of_plan.get(name),
            "now": value,
            "own": _own(organization, name),
            "until": _until(organization, name),
            "takes_unlimited": name in ("turns", "active_relationships"),
        }
        for name, value in _values(organization.limits).items()
    ]


def plans_data(plans: Mapping[str, Plan]) -> list[Item]:
    """Return the plans that a form offers."""
    return [{"id": plan.id, "name": plan.name} for plan in plans.values()]


def read_asked(given: Mapping[str, str]) -> Asked:
    """Return what the fields of a form ask for; raises InvalidFields for a bad end."""
    values = {name: given.get(name, "").strip()[:_MOST_CHARACTERS] for name in FIELDS}
    limits = {name: _limit(values[name]) for name in LABELS if values[name]}
    until = _read_until(values["until"])
    asked = Asked(values["plan"] or None, values["own"] != DROP, limits, until)
    if asked.until_ms is not None and asked.is_of_plan:
        message = (
            "An end is for limits alone: a plan stays until it is changed again. Leave it out."
        )
        raise InvalidFields([field_error("until", "not_allowed", message)])
    if asked.until_ms is not None and not limits:
        message = "An end needs a limit that ends then. Give a limit, or leave the end out."
        raise InvalidFields([field_error("until", "not_allowed", message)])
    return asked


def try_change(
    organizations: Organizations, before: Organization, asked: Asked, version: str | None = None
) -> Item:
    """Return what a change would do, with the version it is for and its command.

    Raises InvalidFields, and ChangedMeanwhile if the organization has not this version: by default
    that of `before`.
    """
    version = version or version_of(before)
    after = _change(organizations, before, asked, version=version, is_trial=True)
    named = asked.limits.keys()
    rows = [row | {"is_named": row["limit"] in named} for row in _differences(before, after)]
    has_other_plan = before.plan != after.plan
    return {
        "version": version,
        "changes_count": len(rows) + has_other_plan,
        "plan": {"before": before.plan, "after": after.plan} if has_other_plan else None,
        "limits": rows,
        "command": _command(before, asked),
    }


def make_change(
    organizations: Organizations, before: Organization, asked: Asked, version: str, by: Author
) -> Item:
    """Make a change, and return what it did as `try_change`; raises the same.

    Limits that would stay as they are become no own limits.
    """
    tried = try_change(organizations, before, asked, version)
    if tried["changes_count"]:
        differing = {row["limit"] for row in tried["limits"]}
        limits = {name: value for name, value in asked.limits.items() if name in differing}
        _change(organizations, before, replace(asked, limits=limits), version=version, by=by)
    return tried


def _change(
    organizations: Organizations, before: Organization, asked: Asked, **options: Any
) -> Organization:
    if asked.is_of_plan:
        plan = asked.plan or before.plan
        after = organizations.set_plan(
            before.id, plan, asked.limits, keep_limits=asked.keeps_own, **options
        )
    else:
        _, after = organizations.change_limits(before.id, asked.limits, asked.until_ms, **options)
    return require_sound_organization(after)


def _differences(before: Organization, after: Organization) -> list[Item]:
    """Return the limits whose value or end differs."""
    old, new = _values(before.limits), _values(after.limits)
    return [
        {
            "limit": name,
            "label": LABELS[name],
            "before": old[name],
            "after": new[name],
            "until": _until(after, name),
        }
        for name in new
        if old[name] != new[name] or _until(before, name) != _until(after, name)
    ]


def _values(limits: Limits) -> Item:
    return {
        "turns": limits.turns,
        "active_relationships": limits.active_relationships,
        "uncharged_turns": limits.uncharged_ceiling,
        "requests_per_second": limits.requests_per_second,
        "burst": limits.burst,
        OVERAGE: limits.overage_policy.value,
    }


def _own(organization: Organization, name: str) -> str | None:
    if name in organization.temporary_limits:
        return "temporary"
    return "permanent" if name in organization.overrides else None


def _until(organization: Organization, name: str) -> str | None:
    temporary = organization.temporary_limits.get(name)
    return format_datetime(temporary.until) if temporary else None


def _limit(text: str) -> int | str:
    """Return a number, or the text as it is: the service judges it."""
    digits = _SEPARATORS.sub("", text)
    return int(digits) if digits.isascii() and digits.isdigit() else text


def _read_until(text: str) -> int | None:
    if not text:
        return None
    try:
        return parse_ms(text, allow_date=True)
    except ValueError:
        message = f"'{text}' is no day. Write it as 2026-12-08: limits end as it begins, in UTC."
        raise InvalidFields([field_error("until", "invalid_date", message)]) from None


def _command(before: Organization, asked: Asked) -> str:
    """Return the command that makes the same change."""
    words = ["flask org", "set-plan" if asked.is_of_plan else "raise", before.id]
    if asked.is_of_plan:
        words += [asked.plan or before.plan]
    options = {
        "overage" if name == OVERAGE else name: value for name, value in asked.limits.items()
    }
    words += [f"--{name.replace('_', '-')} {value}" for name, value in options.items()]
    if asked.until_ms is not None:
        words += ["--until", format_ms(asked.until_ms)]
    if asked.is_of_plan:
        words += ["--keep-limits" if asked.keeps_own else "--reset-limits"]
    return " ".join(words)
