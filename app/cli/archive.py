"""`flask archive`: folds turns into the days' roll-ups, so that they may expire."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import timedelta

import click
import structlog

from app.admission.clock import LedgerClock
from app.cli.output import (
    OperatorGroup,
    contain,
    json_option,
    print_change,
    print_record,
    progress_bar,
)
from app.cli.quota import log_reconciliation
from app.cli.steps import step
from app.cli.watch import Watch
from app.http.provide import provided
from app.schema import require_indexes
from app.tenancy.api_keys import ApiKeys
from app.usage.upkeep import Upkeep, Waiting
from config.settings import Settings

MAX_NAMED = 20
_log = structlog.get_logger("turnledger.worker")

group = OperatorGroup("archive", reading=("status",), help="The roll-ups that outlive the turns.")


@group.command("run")
@json_option
@click.pass_context
def run(ctx: click.Context, *, as_json: bool) -> None:
    """Archive all that is due. May run at any time, also beside the worker.

    The exit code is 1 if a day or a period failed; standard error names it. All others are done.
    """
    require_indexes()
    upkeep = provided(Upkeep)
    containment = contain()
    with progress_bar("Archiving turns", lambda: _count(upkeep.waiting())) as report:
        fold = upkeep.run(report, containment)
    print_change(asdict(fold), as_json=as_json)
    if containment.failures:
        ctx.exit(1)


@group.command("watch")
def watch() -> None:
    """The worker: archive, reconcile quotas and remove old keys each minute, until SIGTERM."""
    Watch().run(_log_pass)


@group.command("status")
@json_option
def status(*, as_json: bool) -> None:
    """How late the archive is, what waits for it, and the first organizations at fault."""
    require_indexes()
    upkeep = provided(Upkeep)
    waiting = upkeep.waiting()
    record = asdict(upkeep.health()) | {
        "at_fault": ", ".join(upkeep.faults().organizations[:MAX_NAMED]) or None,
        "open_turns": _count(waiting),
        "open_days": len(waiting),
        "oldest_open_day": min((day.day for day in waiting), default=None),
        "set_aside": upkeep.list_set_aside(MAX_NAMED),
    }
    print_record(record, as_json=as_json)


def _log_pass(wait: Callable[[float], None]) -> None:
    # Here and not before: a database that is late costs a pass, not the worker.
    require_indexes()
    upkeep = provided(Upkeep)
    # The replies of requests tell the service when Redis's clock has stepped; nobody tells us.
    provided(LedgerClock).ask()
    with step("archive_pass_failed"):
        # Between two batches a pass may end.
        _log.info("archived", **asdict(upkeep.run(lambda _turns: wait(0))))
        health = upkeep.health()
        if health.over_retained_turns:
            _log.error("turns_over_retained", **asdict(health))
    log_reconciliation(wait)
    with step("key_removal_failed"):
        _log_removed_keys()


def _log_removed_keys() -> None:
    """Remove the keys that have ended long ago, and log how many if there are any."""
    retention = timedelta(days=provided(Settings).key_retention_days)
    removed = provided(ApiKeys).remove_ended(retention)
    if removed:
        _log.info("ended_keys_removed", keys=removed)


def _count(waiting: Iterable[Waiting]) -> int:
    return sum(day.turns for day in waiting)
