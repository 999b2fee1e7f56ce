"""`flask quota`: what accounts have used, and bringing it back to the ledger."""

import time
from collections.abc import Callable, Sequence

import click
import structlog

from app.admission.decision import QuotaState
from app.admission.gate import Gate
from app.admission.reconcile import Reconciler, Reconciliation
from app.admission.replies import Bookkeeping
from app.backends.containment import Containment
from app.cli.output import (
    OperatorGroup,
    Record,
    contain,
    environment_option,
    json_option,
    limit_text,
    organization_argument,
    print_changes,
    print_record,
    progress_bar,
    say,
)
from app.cli.steps import step
from app.cli.watch import Watch
from app.http.instants import format_ms
from app.http.provide import provided
from app.tenancy.model import Environment, Principal, Scope
from app.tenancy.service import Organizations
from app.usage.upkeep import Upkeep

BAR_STEPS_PER_S = 10
NO_COUNTERS = "Nothing to reconcile: no account has counters in Redis."
OTHERS_AT_WORK = (
    "Left to others: another pass is at work on every account, or its next call seeds it anew."
)
_log = structlog.get_logger("turnledger.worker")

group = OperatorGroup(
    "quota", reading=("show",), help="What accounts have used of their billing period."
)


@group.command("show")
@organization_argument
@environment_option()
@json_option
def show(organization_id: str, environment: str, *, as_json: bool) -> None:
    """One account's counters; counted from the ledger first if Redis has none."""
    organization = provided(Organizations).get_(organization_id)
    principal = Principal.of(
        organization, key_id="operator", scope=Scope.READ, environment=Environment(environment)
    )
    state, bookkeeping = provided(Gate).inspect(principal)
    shape = _wire if as_json else _row
    record = {"organization": organization_id, "environment": environment}
    print_record(record | shape(state, bookkeeping), as_json=as_json)


@group.command("reconcile")
@click.option("--watch", "is_watch", is_flag=True, help="Repeat every minute, until SIGTERM.")
@json_option
@click.pass_context
def reconcile(ctx: click.Context, *, is_watch: bool, as_json: bool) -> None:
    """Bring all counters in Redis to what the ledger says; takes one request deadline.

    The exit code is 1 if an account could not be reconciled; standard error names it.
    """
    if is_watch and as_json:
        raise click.UsageError("--watch answers in log lines: leave out --json or --watch.")
    if is_watch:
        Watch().run(log_reconciliation)
        return
    reconciler = provided(Reconciler)
    accounts = reconciler.list_accounts()
    containment = contain()
    done = reconciler.reconcile(accounts, _wait_with_bar, containment)
    _note_if_possible(done, containment)
    empty = OTHERS_AT_WORK if accounts else NO_COUNTERS
    empty = "No account was reconciled." if containment.failures else empty
    print_changes([_reconciled(result) for result in done], as_json=as_json, empty=empty)
    if containment.failures:
        ctx.exit(1)


def log_reconciliation(wait: Callable[[float], None]) -> None:
    """One pass of the worker: a log line for each account whose counters had drifted."""
    with step("reconciliation_failed"):
        containment = Containment()
        reconciler = provided(Reconciler)
        done = reconciler.reconcile(reconciler.list_accounts(), wait, containment)
        for result in done:
            if result.turns_drift or result.relationships_drift:
                _log.warning("quota_drift", **_reconciled(result))
        _note(done, containment)
        _log.info("quota_reconciled", accounts=len(done), failed=len(containment.failures))


def _note(done: Sequence[Reconciliation], containment: Containment) -> None:
    upkeep = provided(Upkeep)
    upkeep.note_drift(
        turns=sum(abs(result.turns_drift) for result in done),
        relationships=sum(abs(result.relationships_drift) for result in done),
    )
    upkeep.note_failures("reconcile", containment)


def _note_if_possible(done: Sequence[Reconciliation], containment: Containment) -> None:
    """Note the pass; the counters are changed already, so that a failure here is no error."""
    try:
        _note(done, containment)
    except Exception as error:
        say(f"This pass is missing from the metrics: writing it failed ({type(error).__name__}).")


def _wire(state: QuotaState, bookkeeping: Bookkeeping) -> dict[str, object]:
    return {
        "turns_used": state.turns_used,
        "turns_reserved": state.turns_reserved,
        "reservations": bookkeeping.reservations,
        "turns_limit": state.turns_limit,
        "active_relationships_used": state.relationships_used,
        "active_relationships_limit": state.relationships_limit,
        "period_start": _instant(state.period_start_us),
        "period_end": _instant(state.period_end_us),
        "mark_at": _instant(bookkeeping.watermark_at_us),
        "mark_used": bookkeeping.watermark_used,
        "remembered_turns": bookkeeping.recent_turns,
    }


def _row(state: QuotaState, bookkeeping: Bookkeeping) -> dict[str, object]:
    return _wire(state, bookkeeping) | {
        "turns_limit": limit_text(state.turns_limit),
        "active_relationships_limit": limit_text(state.relationships_limit),
    }


def _reconciled(result: Reconciliation) -> Record:
    return {
        "account": result.keys.account,
        "period": result.keys.quota_period,
        "turns_before": result.turns_used - result.turns_drift,
        "turns_after": result.turns_used,
        "turns_drift": result.turns_drift,
        "relationships_before": result.relationships_used - result.relationships_drift,
        "relationships_after": result.relationships_used,
        "relationships_drift": result.relationships_drift,
    }


def _instant(instant_us: int) -> str:
    return format_ms(-(-instant_us // 1_000))


def _wait_with_bar(seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    steps = max(1, round(seconds * BAR_STEPS_PER_S))
    with progress_bar("Waiting until all that is in flight has settled", lambda: steps) as advance:
        for _ in range(steps):
            sleep(seconds / steps)
            advance(1)
