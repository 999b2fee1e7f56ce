"""`flask archive`: folds turns into the days' roll-ups, so that they may expire."""

from collections.abc import Callable, Iterable
from dataclasses import asdict

import click
import structlog

from app.admission.clock import LedgerClock
from app.cli.output import OperatorGroup, json_option, print_record, progress_bar
from app.cli.quota import log_reconciliation
from app.cli.watch import Watch
from app.http.provide import provided
from app.schema import require_indexes
from app.usage.upkeep import Upkeep, Waiting

_MOST_NAMED_COUNT = 20
_log = structlog.get_logger("turnledger.worker")

group = OperatorGroup("archive", help="The roll-ups that outlive the turns.")


@group.command("run")
@json_option
@click.pass_context
def run(ctx: click.Context, *, as_json: bool) -> None:
    """Archive all that is due. May run at any time, also beside the worker.

    The exit code is 1 if a day could not be archived; the log says why.
    """
    require_indexes()
    upkeep = provided(Upkeep)
    with progress_bar("Archiving turns", lambda: _count(upkeep.waiting())) as report:
        fold = upkeep.run(report)
    print_record(asdict(fold), as_json=as_json)
    if fold.days_failed:
        ctx.exit(1)


@group.command("watch")
def watch() -> None:
    """The worker: archive and reconcile quotas each minute, until SIGTERM."""
    Watch().run(_log_pass)


@group.command("status")
@json_option
def status(*, as_json: bool) -> None:
    """How late the archive is, and what waits for it."""
    require_indexes()
    upkeep = provided(Upkeep)
    waiting = upkeep.waiting()
    record = asdict(upkeep.health()) | {
        "open_turns": _count(waiting),
        "open_days": len(waiting),
        "oldest_open_day": min((day.day for day in waiting), default=None),
        "set_aside": upkeep.list_set_aside(_MOST_NAMED_COUNT),
    }
    print_record(record, as_json=as_json)


def _log_pass(wait: Callable[[float], None]) -> None:
    # Here and not before: a database that is late costs a pass, not the worker.
    require_indexes()
    upkeep = provided(Upkeep)
    # The replies of requests tell the service when Redis's clock has stepped; nobody tells us.
    provided(LedgerClock).ask()
    # Between two batches a pass may end.
    _log.info("archived", **asdict(upkeep.run(lambda _turns: wait(0))))
    health = upkeep.health()
    if health.over_retained_turns:
        _log.error("turns_over_retained", **asdict(health))
    log_reconciliation(wait)


def _count(waiting: Iterable[Waiting]) -> int:
    return sum(day.turns for day in waiting)
