"""Sentences about changes that were made."""

from collections.abc import Mapping
from typing import Any

from app.console.formats import day
from app.tenancy.model import FoundOrganization, Organization
from app.watch.texts import limit_text

_SOON = "In force everywhere within 5 seconds."


def change_note(before: Organization, made: Mapping[str, Any]) -> str:
    """Return what a change of plan and limits has changed."""
    if not made["changes_count"]:
        return "Nothing to change. All values are as they were."
    changes = [_limit(row) for row in made["limits"]]
    if made["plan"]:
        changes.insert(0, f"plan {made['plan']['before']} → {made['plan']['after']}")
    return f"{before.name}: {', '.join(changes)}. {_SOON}"


def suspension_note(after: FoundOrganization) -> str:
    """Return what a suspension, or its end, means for the clients of an organization."""
    name = after.name or after.id
    if after.is_suspended:
        return f"{name} is suspended. Every request is answered with 402. {_SOON}"
    return f"The suspension of {name} has ended. {_SOON}"


def _limit(row: Mapping[str, Any]) -> str:
    text = f"{row['label']} {limit_text(row['before'])} → {limit_text(row['after'])}"
    return f"{text} until {day(row['until'])}" if row["until"] else text
