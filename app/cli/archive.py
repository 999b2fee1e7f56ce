"""`flask archive`: rolls turns up into days, and reports how late the archive is."""

from collections.abc import Iterable
from dataclasses import asdict

import click

from app.cli.output import (
    OperatorGroup,
    contain,
    json_option,
    print_change,
    print_record,
    progress_bar,
    say,
)
from app.cli.worker import run_chores
from app.http.provide import provided
from app.schema import require_indexes
from app.usage.archive_pass import ArchivePass
from app.usage.health import ArchiveHealth, Waiting
from app.usage.notes.store import PassNotes

MAX_NAMED = 20

group = OperatorGroup(
    "archive", reading=("status",), help="Roll turns up into days before they expire."
)


@group.command("run")
@json_option
@click.pass_context
def run(ctx: click.Context, *, as_json: bool) -> None:
    """Archive all that is due. May run at any time, also beside the worker.

    The exit code is 1 if a day or a period failed; standard error names it. All others are done.
    """
    require_indexes()
    health, containment = provided(ArchiveHealth), contain()
    with progress_bar("Archiving turns", lambda: _count(health.list_waiting())) as report:
        archived = provided(ArchivePass).run(report, containment)
    print_change(asdict(archived), as_json=as_json)
    if containment.failures:
        ctx.exit(1)


@group.command("watch")
@click.pass_context
def watch(ctx: click.Context) -> None:
    """Run `flask worker` under the name that the next release removes."""
    say("`flask archive watch` is now `flask worker`; the next release removes the old name.")
    run_chores(ctx)


@group.command("status")
@json_option
def status(*, as_json: bool) -> None:
    """Show how late the archive is, the turns that wait, and the first organizations at fault."""
    require_indexes()
    health, notes = provided(ArchiveHealth), provided(PassNotes)
    waiting = health.list_waiting()
    record = asdict(health.measure()) | {
        "at_fault": ", ".join(notes.faults().organizations[:MAX_NAMED]) or None,
        "open_turns": _count(waiting),
        "open_days": len(waiting),
        "oldest_open_day": min((day.day for day in waiting), default=None),
        "set_aside": notes.list_set_aside(MAX_NAMED),
    }
    print_record(record, as_json=as_json)


def _count(waiting: Iterable[Waiting]) -> int:
    return sum(day.turns for day in waiting)
