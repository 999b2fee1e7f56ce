"""`flask quota`: shows the counters of accounts, and corrects them by the ledger."""

import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import click

from app.admission.decision import QuotaState
from app.admission.gate import Gate
from app.admission.reconcile import Reconciler, Reconciliation
from app.admission.replies import Bookkeeping
from app.backends.containment import Containment
from app.cli.arguments import organization_argument
from app.cli.groups import OperatorGroup
from app.cli.output import (
    Record,
    contain,
    environment_option,
    json_option,
    print_changes,
    print_record,
    print_records,
    progress_bar,
    say,
)
from app.cli.percent import Percent
from app.cli.rows import counted, rows_option, shown_names
from app.cli.worker import run_chores
from app.http.application import provided
from app.http.instants import format_us
from app.tenancy.model import Environment, Principal, Scope
from app.tenancy.service import Organizations
from app.usage.notes.store import PassNotes
from app.watch.near import AccountUse, NearestAccounts, NearestToCeilings
from app.watch.texts import limit_text, share_text
from app.watch.uses import Use
from app.worker.build import RECONCILE
from app.worker.reconciliation import drift_record, note_pass

BAR_STEPS_PER_S = 10
_SHORT_NAMES = {
    "turns": "turns",
    "uncharged_turns": "uncharged",
    "active_relationships": "relationships",
}
NO_COUNTERS = "Nothing to reconcile: no account has counters in Redis."
NOTHING_RECONCILED = (
    "Nothing reconciled: another pass is running, or counters will be rebuilt on the next request."
)

group = OperatorGroup(
    "quota", reading=("show", "top"), help="Show accounts near their quota; correct counters."
)


@group.command("show")
@organization_argument
@environment_option()
@json_option
def show(organization_id: str, environment: str, *, as_json: bool) -> None:
    """Show what one account has used.

    Counts the ledger first if Redis has no counters of it.
    """
    organization = provided(Organizations).get_(organization_id)
    principal = Principal.of(
        organization, key_id="operator", scope=Scope.READ, environment=Environment(environment)
    )
    state, bookkeeping = provided(Gate).inspect(principal)
    shape = _wire if as_json else _row
    record = {"organization": organization_id, "environment": environment}
    print_record(record | shape(state, bookkeeping), as_json=as_json)


@group.command("top")
@click.option("--over", "least", type=Percent(), default="0%", help="Only from this share on: 80%.")
@environment_option(None)
@rows_option
@json_option
def top(least: Fraction, environment: str | None, rows_count: int, *, as_json: bool) -> None:
    """List the accounts that are nearest to a quota.

    Reads only what Redis holds. Each account appears with its most used component; turns include
    those that reservations hold.
    """
    environments = [Environment(environment)] if environment else list(Environment)
    found = provided(NearestToCeilings).list_(environments, least)
    shown = found.accounts[:rows_count]
    if as_json:
        print_record(_near_wire(found, shown), as_json=True)
        return
    empty = "No account has used so much." if least else "No account has counters and a ceiling."
    names = shown_names([account.organization for account in shown])
    print_records([_near_row(account, names) for account in shown], as_json=False, empty=empty)
    _say_left_out(found, len(shown))


@group.command("reconcile")
@click.option("--watch", "is_watch", is_flag=True, help="Repeat every minute, until SIGTERM.")
@json_option
@click.pass_context
def reconcile(ctx: click.Context, *, is_watch: bool, as_json: bool) -> None:
    """Correct all counters by the ledger.

    Takes one request deadline. The exit code is 1 if an account could not be reconciled; standard
    error names it.
    """
    if is_watch and as_json:
        raise click.UsageError("--watch writes log lines: leave out --json or --watch.")
    if is_watch:
        run_chores(ctx, only=RECONCILE)
        return
    reconciler = provided(Reconciler)
    accounts = reconciler.list_accounts()
    containment = contain()
    done = reconciler.reconcile(accounts, _wait_with_bar, containment)
    _note_if_possible(done, containment)
    empty = NOTHING_RECONCILED if accounts else NO_COUNTERS
    empty = "No account was reconciled." if containment.failures else empty
    shape = drift_record if as_json else _drift_row
    print_changes([shape(result) for result in done], as_json=as_json, empty=empty)
    if containment.failures:
        ctx.exit(1)


def _note_if_possible(done: Sequence[Reconciliation], containment: Containment) -> None:
    """Note the pass; the counters are changed already, so that a failure here is no error."""
    try:
        note_pass(provided(PassNotes), done, containment)
    except Exception as error:
        say(f"This pass is missing from the metrics: writing it failed ({type(error).__name__}).")


def _drift_row(result: Reconciliation) -> Record:
    corrected = (
        ("turns", result.turns_used, result.turns_drift),
        ("relationships", result.relationships_used, result.relationships_drift),
        ("uncharged", result.uncharged_used, result.uncharged_drift),
    )
    lines = [f"{name} {now - drift:,} -> {now:,}" for name, now, drift in corrected if drift]
    return {
        "account": result.keys.account,
        "period": result.keys.quota_period,
        "corrected": "\n".join(lines) or None,
    }


def _near_wire(found: NearestAccounts, shown: Sequence[AccountUse]) -> dict[str, object]:
    return {
        "accounts": [
            {
                "organization": account.organization.id,
                "name": account.organization.name,
                "environment": account.environment.value,
                "period_end": format_us(account.quota.period_end_us),
                "uses": [_use_wire(use) for use in account.uses],
            }
            for account in shown
        ],
        "found": len(found.accounts),
        "compared": found.compared_count,
        "not_loaded": found.not_loaded_count,
        "faulty_organizations": found.faulty_count,
    }


def _use_wire(use: Use) -> dict[str, object]:
    return {
        "component": use.component,
        "used": use.used,
        "limit": use.limit,
        "percent": use.per_mille / 10,
    }


def _near_row(account: AccountUse, names: Mapping[str, str]) -> dict[str, object]:
    use = account.uses[0]
    return {
        "organization": names[account.organization.id],
        "env": account.environment.value,
        "share": share_text(use.used, use.limit),
        "used": f"{use.used:,} of {use.limit:,} {_SHORT_NAMES[use.component]}",
    }


def _say_left_out(found: NearestAccounts, shown_count: int) -> None:
    if len(found.accounts) > shown_count:
        say(f"{counted(len(found.accounts) - shown_count, 'more account')}: --rows shows more.")
    if found.not_loaded_count:
        have = "has" if found.not_loaded_count == 1 else "have"
        say(
            f"{counted(found.not_loaded_count, 'account')} {have} no counters in Redis: no turn in "
            "this period, or lost with Redis's data. `flask quota show ORG_ID` counts one."
        )
    if found.faulty_count:
        are = "is" if found.faulty_count == 1 else "are"
        say(
            f"{counted(found.faulty_count, 'organization')} {are} at fault: `flask org list` has "
            "the reasons."
        )


def _wire(state: QuotaState, bookkeeping: Bookkeeping) -> dict[str, object]:
    return {
        "turns_used": state.turns_used,
        "turns_reserved": state.turns_reserved,
        "reservations": bookkeeping.reservations,
        "turns_limit": state.turns_limit,
        "uncharged_turns_used": state.uncharged_used,
        "uncharged_turns_limit": state.uncharged_limit,
        "active_relationships_used": state.relationships_used,
        "active_relationships_limit": state.relationships_limit,
        "period_start": format_us(state.period_start_us),
        "period_end": format_us(state.period_end_us),
        "watermark_at": format_us(bookkeeping.watermark_at_us),
        "watermark_used": bookkeeping.watermark_used,
        "recent_turns": bookkeeping.recent_turns,
    }


def _row(state: QuotaState, bookkeeping: Bookkeeping) -> dict[str, object]:
    return _wire(state, bookkeeping) | {
        "turns_limit": limit_text(state.turns_limit),
        "active_relationships_limit": limit_text(state.relationships_limit),
    }


def _wait_with_bar(seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    steps = max(1, round(seconds * BAR_STEPS_PER_S))
    with progress_bar("Waiting for requests in flight", lambda: steps) as advance:
        for _ in range(steps):
            sleep(seconds / steps)
            advance(1)
