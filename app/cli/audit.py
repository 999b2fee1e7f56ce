"""`flask audit`: lists what operators and keys have changed."""

import click

from app.audit.model import Action, Entry, Outcome
from app.audit.readable import FieldChange, list_changes
from app.audit.trail import MAX_LISTED, AuditTrail
from app.cli.arguments import ORGANIZATION
from app.cli.groups import OperatorGroup
from app.cli.instants import InstantMs
from app.cli.output import Record, json_option, print_records
from app.cli.text import Utf8Text
from app.http.application import provided
from app.http.instants import datetime_of_us, format_datetime
from app.tenancy.service import Organizations

group = OperatorGroup("audit", reading=("list",), help="Show who changed organizations and keys.")


@group.command("list")
@click.option(
    "--organization", metavar=ORGANIZATION, type=Utf8Text(), help="Changes of this one only."
)
@click.option("--action", type=click.Choice([action.value for action in Action]))
@click.option("--since", "since_ms", type=InstantMs(), help="A day is its start in UTC.")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=50, show_default=True)
@json_option
def list_(
    *,
    organization: str | None,
    action: str | None,
    since_ms: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List changes, newest first.

    Each has its author, and the values before and after. `(intended)` marks a change whose outcome
    is unknown: look whether it was made. `(failed)` marks one that was not made.
    """
    found = provided(AuditTrail).list_(
        provided(Organizations).find_id(organization) if organization else None,
        Action(action) if action else None,
        None if since_ms is None else datetime_of_us(since_ms * 1_000),
        limit,
    )
    shape = _wire if as_json else _row
    print_records([shape(entry) for entry in found], as_json=as_json, unbroken="what")


def _wire(entry: Entry) -> Record:
    change = entry.change
    return {
        "id": entry.id,
        "at": format_datetime(entry.at),
        "who": entry.who,
        "action": change.action.value,
        "organization_id": change.organization_id,
        "key_id": change.key_id,
        "before": change.before,
        "after": change.after,
        "reason": entry.reason,
        "outcome": entry.outcome.value,
    }


def _row(entry: Entry) -> Record:
    """Return an entry for a table of 80 columns: each cell has several lines."""
    change = entry.change
    of = [f"{change.action.value}{_outcome(entry.outcome)}", change.organization_id]
    changes = [_line(each) for each in list_changes(change.before or {}, change.after or {})]
    if entry.reason:
        changes.append(f"reason: {entry.reason}")
    return {
        "when, by whom": f"{format_datetime(entry.at)}\n{entry.who}",
        "what": "\n".join([*of, change.key_id] if change.key_id else of),
        "changes": "\n".join(changes) or None,
    }


def _outcome(outcome: Outcome) -> str:
    return "" if outcome is Outcome.DONE else f" ({outcome.value})"


def _line(change: FieldChange) -> str:
    until = f" until {change.until}" if change.until else ""
    return f"{change.name}: {change.before or '-'} -> {change.after or '-'}{until}"
