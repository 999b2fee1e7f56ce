"""`flask archive`: rolls turns up into days, rebuilds days, and reports how late the archive is."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import click

from app.admission.clock import LedgerClock
from app.cli.arguments import ORGANIZATION
from app.cli.groups import OperatorGroup
from app.cli.output import contain, json_option, print_change, print_record, progress_bar, say
from app.cli.text import Utf8Text
from app.cli.worker import run_chores
from app.http.application import provided
from app.http.instants import datetime_of_us
from app.interactions.retention import is_day
from app.schema import require_indexes
from app.tenancy.model import Environment, account_of
from app.tenancy.service import Organizations
from app.usage.archive_pass import ArchivePass
from app.usage.health import ArchiveHealth, Waiting
from app.usage.notes.store import PassNotes
from app.usage.rebuild import Rebuilder, require_recent

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


class Day(click.ParamType[str]):
    """A day of the calendar in UTC, `2026-11-23`."""

    name = "DAY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the day."""
        if not is_day(value):
            return self.fail(f"{value!r} is no day; write it as 2026-11-23.", param, ctx)
        return str(value)


@group.command("rebuild")
@click.argument("days", metavar="DAY...", type=Day(), nargs=-1, required=True)
@click.option(
    "--organization",
    "organization",
    metavar=ORGANIZATION,
    type=Utf8Text(),
    help="Only this one.",
)
@json_option
@click.pass_context
def rebuild(
    ctx: click.Context, days: Sequence[str], organization: str | None, *, as_json: bool
) -> None:
    """Recompute the roll-ups of days (UTC).

    All turns of a day must still be stored. May run at any time, also beside the worker. The exit
    code is 1 if a day of an account was refused or failed; standard error names it, and all others
    are done. A day whose turns have expired refuses the whole command.
    """
    require_indexes()
    require_recent(days, datetime_of_us(provided(LedgerClock).now_us()))
    accounts, rebuilder, containment = _accounts(organization), provided(Rebuilder), contain()
    with progress_bar("Rebuilding days", lambda: rebuilder.count_turns(accounts, days)) as report:
        rebuilt = rebuilder.rebuild(accounts, days, report, containment)
    record = asdict(rebuilt) | {"empty_days": ", ".join(rebuilt.empty_days) or None}
    print_change(record, as_json=as_json)
    if containment.failures:
        ctx.exit(1)


def _accounts(organization: str | None) -> list[str]:
    organizations = provided(Organizations)
    chosen = (
        [organizations.get_any(organizations.find_id(organization))]
        if organization
        else organizations.list_()
    )
    return [account_of(found.id, environment) for found in chosen for environment in Environment]


@group.command("watch")
@click.pass_context
def watch(ctx: click.Context) -> None:
    """Run `flask worker` under the name that the next release removes."""
    say("`flask archive watch` is now `flask worker`; the next release removes the old name.")
    run_chores(ctx)


@group.command("status")
@json_option
def status(*, as_json: bool) -> None:
    """Show how late the archive is.

    Also the turns that wait, and the first organizations at fault.
    """
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
