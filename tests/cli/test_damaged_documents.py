"""Keys, organizations and rows that lack fields: what can be shown, listed and counted, is."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from structlog.testing import capture_logs

from app.backends.backend import Backend
from app.http.application import provided
from app.interactions.store import InteractionStore
from tests.callers import Caller, Clock, error_of
from tests.cli.conftest import Run, archived, raise_value_error
from tests.damage import damage, damage_organization
from tests.turns import at, body, stateful

Answer = Callable[..., Any]


def test_an_open_row_without_a_day_does_not_end_the_listing_of_days(
    memory_app: Flask, run: Run, caller: Caller, other: Caller, clock: Clock
) -> None:
    for one in (caller, other):
        assert one.record(at(clock.now_ms)).status_code == 201
    damage(memory_app, "interactions", {"account": caller.account}, {"$unset": {"day": ""}})

    assert run("archive", "run").exit_code == 0

    assert archived(other) == 1


def test_a_damaged_key_is_marked_and_can_be_revoked(
    memory_app: Flask, run: Run, answer: Answer, caller: Caller
) -> None:
    key = answer("key", "create", caller.organization.id, "--scope", "read")
    damage(memory_app, "api_keys", {"_id": key["id"]}, {"$unset": {"scope": ""}})

    listed = run("key", "list", caller.organization.id)
    revoked = run("key", "revoke", key["id"])

    assert listed.exit_code == 0
    assert "(faulty)" in listed.stdout
    assert len(answer("key", "list", caller.organization.id)) == 2
    (line,) = listed.stderr.splitlines()
    assert f"flask key revoke {key['id']}" in line
    assert revoked.exit_code == 0, revoked.output
    with memory_app.app_context():
        stored = provided(Backend).database["api_keys"].find_one({"_id": key["id"]})
    assert stored is not None
    assert stored["revoked_at"] is not None


def test_an_organization_with_an_odd_id_does_not_hide_the_others(
    memory_app: Flask, run: Run, answer: Answer, caller: Caller
) -> None:
    with memory_app.app_context():
        provided(Backend).database["organizations"].insert_one({"name": "by hand"})

    first, second = sorted(answer("org", "list"), key=lambda found: found["limits"] is None)

    assert (first["id"], second["name"]) == (caller.organization.id, "by hand")
    assert run("org", "list").exit_code == 0


def test_keys_of_a_faulty_organization_can_be_listed(
    memory_app: Flask, answer: Answer, caller: Caller
) -> None:
    damage_organization(memory_app, caller.organization.id, "a plan that the file lacks")

    assert len(answer("key", "list", caller.organization.id)) == 1


def test_quota_show_of_a_faulty_organization_names_the_next_step(
    memory_app: Flask, run: Run, caller: Caller
) -> None:
    damage_organization(memory_app, caller.organization.id, "a plan that the file lacks")

    result = run("quota", "show", caller.organization.id)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "flask org set-plan" in result.stderr
    assert error_of(caller.list_())["code"] == "service_unavailable"


def test_a_row_that_names_no_relationship_does_not_stop_the_counting(
    memory_app: Flask, caller: Caller, clock: Clock
) -> None:
    when = at(clock.now_ms)["occurred_at"]
    assert caller.record(stateful("rel_1", occurred_at=when)).status_code == 201
    assert caller.record(stateful("rel_2", occurred_at=when)).status_code == 201
    chosen = {"relationship_id": "rel_1"}
    damage(memory_app, "interactions", chosen, {"$unset": {"relationship_id": ""}})
    with memory_app.app_context():
        provided(Backend).redis.flushall()

    answer = caller.record(at(clock.now_ms))

    assert answer.status_code == 201
    counters = caller.counters()
    assert (counters["turns_used"], counters["relationships_used"]) == (3, 1)


def test_rows_without_an_instant_of_recording_fail_neither_counting_nor_readiness(
    memory_app: Flask, caller: Caller, clock: Clock
) -> None:
    assert caller.record(at(clock.now_ms)).status_code == 201
    damage(memory_app, "interactions", {}, {"$unset": {"recorded_at": ""}})
    with memory_app.app_context():
        provided(Backend).redis.flushall()
    clock.move(s=60)

    ready = memory_app.test_client().get("/readyz").get_json()

    assert ready["archive"]["lag_s"] == 60
    assert caller.record(at(clock.now_ms)).status_code == 201
    assert caller.counters()["turns_used"] == 2


def test_what_the_ledger_cannot_count_degrades_its_account_and_names_it(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InteractionStore, "count_turns", raise_value_error)

    with capture_logs() as logs:
        answer = caller.record(body())

    assert answer.status_code == 201
    (line,) = [line for line in logs if line["event"] == "account_degraded"]
    assert line["account"] == caller.account
    assert "could not be counted from the ledger (ValueError)" in line["reason"]
