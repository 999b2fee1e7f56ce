"""`flask quota top` and `flask limits top`: near a ceiling, and limited."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from app.admission.decision import TurnCharge
from app.admission.gate import Gate
from app.admission.ticket import AdmissionTicket
from app.backends.backend import Backend
from app.http.application import provided
from app.tenancy.model import Environment, Principal, Scope
from tests.background import flush_background
from tests.callers import Caller, Clock, new_caller
from tests.turns import stateful

Run = Callable[..., Result]
Answer = Callable[..., Any]
COLUMNS_COUNT = 80


def use(caller: Caller, turns: int, relationships_count: int = 0) -> None:
    """Charge turns that are never stored."""
    who = Principal.of(
        caller.organization, key_id="key_1", scope=Scope.ADMIN, environment=caller.environment
    )
    charges = [
        TurnCharge(f"turn_{number}", 1, f"r_{number}") for number in range(relationships_count)
    ]
    charges.append(TurnCharge("turn_rest", turns - relationships_count, None))
    with caller.app.app_context():
        AdmissionTicket(provided(Gate), who).charge(charges)


@pytest.fixture
def near(memory_app: Flask) -> Caller:
    """Return a caller that has used 950 of 1,000 turns."""
    caller = new_caller(memory_app, turns=1_000, active_relationships=100)
    use(caller, 950)
    return caller


def test_accounts_come_by_their_most_used_component(
    memory_app: Flask, near: Caller, answer: Answer
) -> None:
    by_people = new_caller(memory_app, turns=1_000, active_relationships=20)
    use(by_people, 30, relationships_count=16)
    of_test = new_caller(memory_app, environment=Environment.TEST, turns=1_000)
    use(of_test, 100)

    found = answer("quota", "top")

    shown = [(each["organization"], each["environment"]) for each in found["accounts"]]
    callers = (near, by_people, of_test)
    assert shown == [(each.organization.id, each.environment.value) for each in callers]
    assert [each["uses"][0] for each in found["accounts"]] == [
        {"component": "turns", "used": 950, "limit": 1_000, "percent": 95.0},
        {"component": "active_relationships", "used": 16, "limit": 20, "percent": 80.0},
        {"component": "turns", "used": 100, "limit": 1_000, "percent": 10.0},
    ]
    assert (found["found"], found["compared"], found["not_loaded"]) == (3, 3, 3)


def test_over_leaves_out_what_is_below(memory_app: Flask, near: Caller, answer: Answer) -> None:
    use(new_caller(memory_app, turns=1_000), 949)

    for over, found_count in (("94%", 2), ("95%", 1), ("95", 1), ("95.1%", 0)):
        found = answer("quota", "top", "--over", over)
        assert found["found"] == len(found["accounts"]) == found_count, over
    assert found["compared"] == 2


def test_only_one_environment(near: Caller, answer: Answer) -> None:
    live = answer("quota", "top", "--environment", "live")
    assert [len(live["accounts"]), live["not_loaded"]] == [1, 0]
    test = answer("quota", "top", "--environment", "test")
    assert [len(test["accounts"]), test["not_loaded"]] == [0, 1]


def test_a_ceiling_of_nothing_and_none_at_all_have_no_share(
    memory_app: Flask, answer: Answer
) -> None:
    caller = new_caller(memory_app, turns="unlimited", active_relationships=0, uncharged_turns=0)
    use(caller, 10)

    found = answer("quota", "top")
    assert (found["accounts"], found["compared"], found["not_loaded"]) == ([], 0, 1)


def test_what_is_left_out_is_said(memory_app: Flask, near: Caller, run: Run) -> None:
    use(new_caller(memory_app, turns=1_000), 10)
    damaged = new_caller(memory_app)
    with memory_app.app_context():
        organizations = provided(Backend).database["organizations"]
    organizations.update_one({"_id": damaged.organization.id}, {"$set": {"plan": "gone"}})

    result = run("quota", "top", "--rows", "1")

    assert result.exit_code == 0
    assert near.organization.id in result.stdout  # others have its name
    more, not_loaded, faulty = result.stderr.splitlines()
    assert more.startswith("1 more account")
    assert not_loaded.startswith("2 accounts have no counters in Redis")
    assert faulty.startswith("1 organization is at fault")


def test_top_fits_80_columns_and_rounds_down(memory_app: Flask, run: Run) -> None:
    caller = new_caller(memory_app, turns=1_000_000)
    use(caller, 999_999)
    use(new_caller(memory_app, turns=1_000_000), 1)

    lines = run("quota", "top").stdout.splitlines()

    assert max(map(len, lines)) <= COLUMNS_COUNT
    assert "99.9 %" in lines[3]
    assert "999,999 of 1,000,000 turns" in lines[3]
    assert "<0.1 %" in lines[4]


def test_nothing_near_says_so(run: Run, near: Caller) -> None:
    assert run("quota", "top", "--over", "99%").stdout == "No account has used so much.\n"
    assert run("quota", "top", "--over", "much").exit_code == 2


def test_the_emptiest_buckets_come_first(memory_app: Flask, answer: Answer, run: Run) -> None:
    Clock(memory_app)  # no bucket refills
    spent = new_caller(memory_app, requests_per_second=1, burst=1)
    half = new_caller(memory_app, requests_per_second=1, burst=100)
    new_caller(memory_app)
    for caller, count in ((spent, 2), (half, 40)):
        for _ in range(count):
            caller("GET", "/v1/me")

    flush_background(memory_app)
    first, second = answer("limits", "top")["organizations"]

    assert (first["refused"], first["causes"]) == (1, {"rate": 1})
    assert (second["refused"], second["causes"]) == (0, {})
    assert (first["organization"], first["tokens_left"], first["burst"]) == (
        spent.organization.id,
        0,
        1,
    )
    assert 0 < first["next_token_in_ms"] <= 1_000
    assert second["organization"] == half.organization.id
    assert 60 <= second["tokens_left"] < 100
    assert second["next_token_in_ms"] == 0
    lines = run("limits", "top").stdout.splitlines()
    assert max(map(len, lines)) <= COLUMNS_COUNT
    assert spent.organization.id in lines[3]


def test_a_spent_quota_is_a_cause(memory_app: Flask, answer: Answer) -> None:
    caller = new_caller(memory_app, turns=0)
    assert caller.record(stateful("rel_1")).status_code == 429
    flush_background(memory_app)
    found = answer("limits", "top")
    (shown,) = found["organizations"]
    assert (shown["refused"], shown["causes"]) == (1, {"turns": 1})
    assert found["refused_of_others"] == 0


def test_nobody_limited_says_so(memory_app: Flask, run: Run) -> None:
    new_caller(memory_app)
    assert run("limits", "top").stdout.startswith("Every bucket is full")
