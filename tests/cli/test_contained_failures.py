"""One account, day or key that fails: commands and the worker do all the others, and name it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from structlog.testing import capture_logs

from app.admission.reconcile import Reconciler
from app.backends.backend import Backend
from app.http.application import provided
from app.http.instants import utc_now
from app.tenancy.ended_keys import EndedKeys
from app.tenancy.model import Organization
from app.tenancy.service import Organizations
from app.usage.health import ArchiveHealth
from app.usage.notes.store import Faults, PassNotes
from app.usage.store import UsageStore
from tests.callers import Caller, Clock, new_caller
from tests.cli.conftest import Run, archived, raise_value_error
from tests.damage import FIXED_BY_SET_PLAN, ORGANIZATIONS, damage, damage_organization
from tests.servers import OPERATOR_TOKEN
from tests.turns import at, body

Answer = Callable[..., Any]
FIXED = [kind for kind in ORGANIZATIONS if any(word in kind for word in FIXED_BY_SET_PLAN)]


def at_fault(app: Flask) -> int:
    """Return the number of organizations at fault, by `/readyz` and by the metric."""
    ready = app.test_client().get("/readyz").get_json()["archive"]["organizations_at_fault"]
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    metrics = app.test_client().get("/metrics", headers=headers).text
    assert f"turnledger_organizations_at_fault {float(ready)}" in metrics
    shown: int = ready
    return shown


@pytest.mark.parametrize("kind", ORGANIZATIONS)
def test_a_faulty_organization_is_marked_in_the_list_and_its_next_step_named(
    memory_app: Flask, run: Run, answer: Answer, caller: Caller, other: Caller, kind: str
) -> None:
    damage_organization(memory_app, caller.organization.id, kind)

    listed = run("org", "list")

    assert listed.exit_code == 0
    (row,) = [line for line in listed.stdout.splitlines() if caller.organization.id in line]
    assert "(faulty)" in row
    (row,) = [line for line in listed.stdout.splitlines() if other.organization.id in line]
    assert "(faulty)" not in row
    (line,) = listed.stderr.splitlines()
    assert caller.organization.id in line
    assert ("flask org set-plan" if kind in FIXED else "Restore") in line
    first, second = answer("org", "list")
    assert (first["limits"], second["limits"] is None) == (None, False)
    assert set(first) == set(second)


@pytest.mark.parametrize("kind", FIXED)
def test_set_plan_puts_a_faulty_organization_in_order(
    memory_app: Flask, run: Run, caller: Caller, kind: str
) -> None:
    damage_organization(memory_app, caller.organization.id, kind)
    assert run("org", "show", caller.organization.id).exit_code == 1

    assert run("org", "set-plan", caller.organization.id, "pro").exit_code == 0

    assert caller.record(body()).status_code == 201
    assert run("org", "list").stderr == ""


@pytest.mark.parametrize("kind", ORGANIZATIONS)
def test_the_worker_serves_everybody_beside_a_faulty_organization(
    memory_app: Flask, one_pass: Run, clock: Clock, kind: str
) -> None:
    caller, other = (new_caller(memory_app, of=long_there(memory_app)) for _ in range(2))
    for one in (caller, other):
        assert one.record(at(clock.now_ms)).status_code == 201
    damage_organization(memory_app, caller.organization.id, kind)

    with capture_logs() as logs:
        result = one_pass("worker")

    assert result.exit_code == 0, result.output
    assert (archived(caller), archived(other)) == (1, 1)
    periods = frozen_accounts(memory_app)
    assert other.account in periods
    has_sign_up = "sign-up" not in kind
    assert (caller.account in periods) == has_sign_up
    events = [line["event"] for line in logs]
    assert events.count("organization_at_fault") == 1
    assert events.count("periods_not_frozen") == (0 if has_sign_up else 1)
    assert "quota_reconciled" in events
    assert at_fault(memory_app) == 1
    assert caller.organization.id not in memory_app.test_client().get("/readyz").text


def long_there(app: Flask) -> Organization:
    """Make an organization that has had earlier billing periods."""
    with app.app_context():
        return provided(Organizations).create("Acme", "pro", utc_now().date() - timedelta(days=100))


def frozen_accounts(app: Flask) -> set[str]:
    """Return accounts with a frozen period."""
    with app.app_context():
        return set(provided(Backend).database["usage_period"].distinct("account"))


def test_what_is_in_order_again_is_no_longer_shown(
    memory_app: Flask, one_pass: Run, caller: Caller, run: Run, answer: Answer
) -> None:
    damage_organization(memory_app, caller.organization.id, "no overrides")
    one_pass("worker")
    assert answer("archive", "status")["at_fault"] == caller.organization.id

    run("org", "set-plan", caller.organization.id, "pro")
    one_pass("worker")

    assert at_fault(memory_app) == 0
    assert answer("archive", "status")["at_fault"] is None


def test_a_failed_freeze_is_tried_again_on_the_same_day(
    memory_app: Flask, run: Run, caller: Caller, clock: Clock
) -> None:
    assert caller.record(at(clock.now_ms)).status_code == 201
    clock.move(s=40 * 86_400)
    chosen = {"_id": caller.organization.id}
    signed_up_on = caller.organization.signed_up_on.isoformat()
    damage(memory_app, "organizations", chosen, {"$unset": {"signed_up_on": ""}})
    failed = run("archive", "run")
    assert failed.exit_code == 1
    assert f"{caller.organization.id}: periods not frozen" in failed.stderr

    damage(memory_app, "organizations", chosen, {"$set": {"signed_up_on": signed_up_on}})

    assert run("archive", "run").exit_code == 0
    assert caller.account in frozen_accounts(memory_app)


def spoil_roll_up(app: Flask, caller: Caller) -> None:
    with app.app_context():
        provided(Backend).database["usage_daily"].insert_one(
            {"account": caller.account, "day": at_day(caller), "by_status": "many"}
        )


def at_day(caller: Caller) -> str:
    with caller.app.app_context():
        (day,) = [
            day for account, day in provided(UsageStore).open_days() if account == caller.account
        ]
    return day


def test_a_damaged_roll_up_costs_its_day_alone_and_the_command_names_it(
    memory_app: Flask, run: Run, caller: Caller, other: Caller, clock: Clock
) -> None:
    for one in (caller, other):
        assert one.record(at(clock.now_ms)).status_code == 201
    spoil_roll_up(memory_app, caller)

    result = run("archive", "run", "--json")

    assert result.exit_code == 1
    assert '"days_failed": 1' in result.stdout
    (line,) = result.stderr.splitlines()
    assert f"{caller.account} {at_day(caller)}: day not archived" in line
    assert "by_status" in line
    assert archived(other) == 1
    assert at_fault(memory_app) == 1


def test_a_command_that_fails_for_an_unknown_reason_asks_to_be_run_again(
    run: Run, caller: Caller, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert caller.record(at(clock.now_ms)).status_code == 201
    monkeypatch.setattr(UsageStore, "commit", raise_value_error)

    result = run("archive", "run")

    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.endswith("day not archived (ValueError). Run the command again.")


def test_a_day_that_fails_does_not_make_the_archive_look_late(
    memory_app: Flask, run: Run, caller: Caller, other: Caller, clock: Clock
) -> None:
    assert caller.record(at(clock.now_ms)).status_code == 201
    spoil_roll_up(memory_app, caller)
    clock.move(s=3_600)
    run("archive", "run")
    clock.move(s=60)

    with memory_app.app_context():
        health = provided(ArchiveHealth).measure()

    assert (health.lag_s, health.sweep_age_s, health.organizations_at_fault) == (60, 60, 1)


def test_the_worker_reconciles_everybody_beside_damaged_counters(
    memory_app: Flask,
    one_pass: Run,
    caller: Caller,
    other: Caller,
    clock: Clock,
) -> None:
    for one in (caller, other):
        assert one.record(at(clock.now_ms)).status_code == 201
    with memory_app.app_context():
        redis = provided(Backend).redis
    damaged, sound = (
        f"quota:{{{one.organization.id}}}:live:{one.quota_period}" for one in (caller, other)
    )
    redis.delete(damaged)
    redis.set(damaged, "no hash")
    redis.hincrby(sound, "turns_used", 4)

    with capture_logs() as logs:
        result = one_pass("worker")

    assert result.exit_code == 0
    assert other.counters()["turns_used"] == 1
    assert [line["account"] for line in logs if line["event"] == "account_not_reconciled"] == [
        caller.account
    ]
    assert at_fault(memory_app) == 1


CHORES = {
    "archive_pass_failed": (UsageStore, "open_days", "archive"),
    "reconciliation_failed": (Reconciler, "list_accounts", "reconcile"),
    "key_removal_failed": (EndedKeys, "remove", "remove_keys"),
}


@pytest.mark.parametrize("event", CHORES)
def test_the_worker_goes_on_when_a_pass_fails_and_counts_it(
    memory_app: Flask,
    one_pass: Run,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
    event: str,
) -> None:
    monkeypatch.setattr(*CHORES[event][:2], raise_value_error)

    with capture_logs() as logs:
        result = one_pass("worker")

    assert result.exit_code == 1
    assert (
        result.stderr
        == f"The last pass of the chore `{CHORES[event][2]}` failed: the log has the reason.\n"
    )
    events = [line["event"] for line in logs]
    assert [each for each in events if each in CHORES] == [event]
    done = {"archived": "archive_pass_failed", "quota_reconciled": "reconciliation_failed"}
    assert {each for each in done if each not in events} == {
        each for each, failed in done.items() if failed == event
    }
    assert "a secret" not in str(logs)
    with memory_app.app_context():
        assert provided(PassNotes).faults() == Faults(failures=1)


def test_a_failed_pass_that_cannot_be_counted_does_not_end_the_worker(
    memory_app: Flask, one_pass: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for target in ((UsageStore, "open_days"), (PassNotes, "note_faults")):
        monkeypatch.setattr(*target, raise_value_error)

    with capture_logs() as logs:
        result = one_pass("worker")

    assert result.exit_code == 1
    assert "failure_not_counted" in [line["event"] for line in logs]
