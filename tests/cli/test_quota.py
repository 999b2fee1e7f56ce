"""`flask quota`: shows and corrects counters."""

from collections.abc import Callable
from typing import Any

from click.testing import Result
from flask import Flask
from redis import Redis

from app.admission.decision import TurnCharge
from app.admission.gate import Gate
from app.admission.reconcile import Reconciler
from app.admission.ticket import AdmissionTicket
from app.cli.quota import _wait_with_bar
from app.http.application import provided
from app.tenancy.model import Environment, Principal, Scope
from app.tenancy.service import Organizations
from app.usage.health import ArchiveHealth

Answer = Callable[..., Any]


def charge(app: Flask, organization_id: str) -> None:
    """Charge a turn that is never stored."""
    with app.app_context():
        found = provided(Organizations).get_(organization_id)
        who = Principal.of(
            found, key_id="key_1", scope=Scope.READ_WRITE, environment=Environment.LIVE
        )
        ticket = AdmissionTicket(provided(Gate), who)
        ticket.charge([TurnCharge("turn_a", 2, "rel_a")])
        ticket.reserve(TurnCharge("turn_b", 1, None), 60_000_000)


def test_show_counts_an_untouched_account(answer: Answer, organization_id: str) -> None:
    shown = answer("quota", "show", organization_id)
    assert (shown["organization"], shown["environment"]) == (organization_id, "live")
    assert (shown["turns_used"], shown["turns_limit"]) == (0, 50_000)
    assert (shown["active_relationships_used"], shown["active_relationships_limit"]) == (0, 2_500)


def test_show_prints_what_was_charged(
    memory_app: Flask, answer: Answer, organization_id: str
) -> None:
    charge(memory_app, organization_id)
    shown = answer("quota", "show", organization_id)
    assert (shown["turns_used"], shown["active_relationships_used"]) == (2, 1)
    assert (shown["turns_reserved"], shown["recent_turns"], shown["watermark_used"]) == (1, 2, 0)
    assert shown["reservations"] == 1
    test = answer("quota", "show", organization_id, "--environment", "test")
    assert (test["environment"], test["turns_used"]) == ("test", 0)


def test_show_for_the_eyes(run: Callable[..., Result], organization_id: str) -> None:
    result = run("quota", "show", organization_id)
    assert result.exit_code == 0
    assert "50,000" in result.output


def test_show_of_an_unknown_organization_names_the_next_step(run: Callable[..., Result]) -> None:
    result = run("quota", "show", "org_00000000000000000000000000")
    assert result.exit_code == 1
    assert "flask org list" in result.output


def test_reconcile_prints_the_drift_of_each_account(
    memory_app: Flask, answer: Answer, organization_id: str
) -> None:
    charge(memory_app, organization_id)
    with memory_app.app_context():
        provided(Reconciler)._deadline_s = 0
    (row,) = answer("quota", "reconcile")
    assert row.pop("account") == f"{organization_id}:live"
    assert row.pop("period")
    assert row == {
        "turns_before": 2,
        "turns_after": 0,
        "turns_drift": -2,
        "relationships_before": 1,
        "relationships_after": 0,
        "relationships_drift": -1,
        "uncharged_before": 0,
        "uncharged_after": 0,
        "uncharged_drift": 0,
    }
    with memory_app.app_context():
        shown = provided(ArchiveHealth).readings()
    assert (shown["quota_drift_turns"], shown["quota_drift_relationships"]) == (2, 1)


def test_reconcile_of_nothing_says_so(answer: Answer, run: Callable[..., Result]) -> None:
    assert answer("quota", "reconcile") == []
    result = run("quota", "reconcile")
    assert result.exit_code == 0
    assert result.stdout.startswith("Nothing to reconcile")


def test_reconcile_says_so_if_it_leaves_every_account_alone(
    memory_app: Flask, run: Callable[..., Result], organization_id: str
) -> None:
    charge(memory_app, organization_id)
    lose_relationships(memory_app)
    result = run("quota", "reconcile")
    assert result.exit_code == 0
    assert result.stdout.startswith("Nothing reconciled: another pass")


def test_reconcile_names_the_account_that_it_could_not_reconcile(
    memory_app: Flask, run: Callable[..., Result], organization_id: str
) -> None:
    charge(memory_app, organization_id)
    redis, relationships = lose_relationships(memory_app)
    redis.set(relationships, "no hash")
    reported, in_json = run("quota", "reconcile"), run("quota", "reconcile", "--json")
    assert (reported.exit_code, in_json.exit_code) == (1, 1)
    assert reported.stdout.startswith("No account was reconciled")
    assert in_json.stdout.strip() == "[]"
    assert reported.stderr == in_json.stderr
    (line,) = reported.stderr.splitlines()
    assert line.startswith(f"{organization_id}:live: account not reconciled")
    assert f"Delete bucket:{{{organization_id}}}" in line


def lose_relationships(app: Flask) -> tuple[Redis, str]:
    """Delete the only account's relationships; return Redis and the key's name."""
    with app.app_context():
        redis = provided(Reconciler)._script.client
    (name,) = redis.keys("*:relationships")
    redis.delete(name)
    return redis, name


def test_reconcile_cannot_both_watch_and_answer_in_json(run: Callable[..., Result]) -> None:
    result = run("quota", "reconcile", "--watch", "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "leave out --json" in result.stderr


def test_progress_bar_waits_as_long_as_given() -> None:
    waits: list[float] = []
    _wait_with_bar(10, waits.append)
    assert abs(sum(waits) - 10) < 0.001
