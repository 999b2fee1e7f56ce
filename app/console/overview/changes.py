"""The latest changes of organizations and keys."""

from typing import Any

from app.audit.model import Action, Entry
from app.audit.trail import AuditTrail
from app.console.audit_rows import list_changes
from app.http.application import provided
from app.http.instants import format_datetime
from app.tenancy.errors import OrganizationNotFound
from app.tenancy.service import Organizations

MOST_ROWS = 5
# Of other changes the action says all that a short list needs.
_WITH_VALUES = (Action.PLAN_CHANGED, Action.LIMITS_CHANGED)


def find_changes() -> dict[str, Any]:
    """Return the newest entries of the audit trail, newest first."""
    return {"entries": [_row(entry) for entry in provided(AuditTrail).list_(at_most=MOST_ROWS)]}


def _row(entry: Entry) -> dict[str, Any]:
    kind, _, who = entry.who.partition(":")
    change = entry.change
    has_values = change.action in _WITH_VALUES
    return {
        "at": format_datetime(entry.at),
        "kind": kind,
        "who": who,
        "action": change.action.value,
        "organization_id": change.organization_id,
        "name": _name_of(change.organization_id),
        "changes": list_changes(change.before or {}, change.after or {}) if has_values else [],
        "outcome": entry.outcome.value,
    }


def _name_of(organization_id: str) -> str | None:
    try:
        return provided(Organizations).get_any(organization_id).name
    except OrganizationNotFound:
        return None
