"""Read and change the limits that an organization has of its own, over those of its plan.

A stored organization has two kinds of them:

- `overrides`: in force until an operator changes them.
- `temporary_limits`: each in force until its `until_ms`; afterwards the override, or else the plan.

The end of a temporary limit is evaluated whenever limits are read, so no chore can miss it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.http.instants import datetime_of_us
from app.tenancy.model import TemporaryLimit
from app.tenancy.plans import MAX_BURST, override_fault

# The last millisecond of the year 9999, the last that a `datetime` can hold.
MAX_UNTIL_MS = 253_402_300_799_999
Document = Mapping[str, Any]
OwnLimits = Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class StoredLimits:
    """The two fields of a stored organization that hold its own limits."""

    overrides: OwnLimits = field(default_factory=dict)
    temporary_limits: Mapping[str, Mapping[str, int | str]] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """Return the fields as they are stored."""
        return {
            "overrides": dict(self.overrides),
            "temporary_limits": dict(self.temporary_limits),
        }

    def without(self, names: OwnLimits) -> "StoredLimits":
        """Return the limits other than those named."""
        return StoredLimits(_without(self.overrides, names), _without(self.temporary_limits, names))

    def with_overrides(self, limits: OwnLimits) -> "StoredLimits":
        """Return the limits with these set until the next change, also over temporary ones."""
        rest = self.without(limits)
        return StoredLimits({**rest.overrides, **limits}, rest.temporary_limits)

    def with_temporary(self, limits: OwnLimits, until_ms: int) -> "StoredLimits":
        """Return the limits with these set until an instant; overrides wait for that."""
        temporary = {name: {"value": value, "until_ms": until_ms} for name, value in limits.items()}
        return StoredLimits(self.overrides, {**self.temporary_limits, **temporary})

    def names(self) -> list[str]:
        """Return the name of each limit, once."""
        return list({**self.overrides, **self.temporary_limits})


def stored_limits_at(document: Document, now: datetime) -> StoredLimits:
    """Return the sound own limits of a stored organization; those that have ended are left out."""
    faults = stored_faults(document)
    overrides = {} if "overrides" in faults else document["overrides"]
    temporary = {} if "temporary_limits" in faults else temporary_limits_at(document, now)
    stored = document.get("temporary_limits", {})
    return StoredLimits(overrides, {name: stored[name] for name in temporary})


def temporary_limits_at(document: Document, now: datetime) -> dict[str, TemporaryLimit]:
    """Return the temporary limits in force at `now`; a document without the field has none."""
    found = {
        name: TemporaryLimit(each["value"], datetime_of_us(each["until_ms"] * 1_000))
        for name, each in document.get("temporary_limits", {}).items()
    }
    return {name: each for name, each in found.items() if now < each.until}


def stored_faults(document: Document) -> list[str]:
    """Return the damaged fields of the two; earlier releases wrote `overrides` only."""
    is_sound = {
        "overrides": _are_limits(document.get("overrides")),
        "temporary_limits": _are_temporary(document.get("temporary_limits", {})),
    }
    return [name for name, sound in is_sound.items() if not sound]


def with_burst(named: OwnLimits, kept: StoredLimits) -> OwnLimits:
    """Return the named limits; a rate without a burst, named or kept, gets one of two seconds."""
    if "requests_per_second" not in named or "burst" in {*named, *kept.names()}:
        return named
    return {**named, "burst": min(2 * int(named["requests_per_second"]), MAX_BURST)}


def _are_limits(stored: Any) -> bool:
    return isinstance(stored, dict) and not any(
        override_fault(name, value) for name, value in stored.items()
    )


def _are_temporary(stored: Any) -> bool:
    return (
        isinstance(stored, dict)
        and all(_has_end(each) for each in stored.values())
        and _are_limits({name: each.get("value") for name, each in stored.items()})
    )


def _has_end(stored: Any) -> bool:
    until_ms = stored.get("until_ms") if isinstance(stored, dict) else None
    return isinstance(until_ms, int) and 0 <= until_ms <= MAX_UNTIL_MS


def _without(limits: Mapping[str, Any], names: OwnLimits) -> dict[str, Any]:
    return {name: value for name, value in limits.items() if name not in names}
