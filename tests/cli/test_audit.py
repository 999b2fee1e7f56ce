"""`flask audit list` shows each change of organizations and keys, whoever made it."""

import json
import os
import pwd
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from mongomock import Collection
from pymongo.errors import AutoReconnect

from app.audit.store import COLLECTION as AUDIT
from app.backends.backend import Backend
from app.cli import tables
from app.http.application import provided
from tests.callers import Caller, Clock, error_of
from tests.cli.conftest import Run

Answer = Callable[..., Any]
WHO = f"command:{pwd.getpwuid(os.getuid()).pw_name}"


def entries(answer: Answer, *words: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = answer("audit", "list", *words)
    return listed


@pytest.fixture
def changed(answer: Answer, organization_id: str) -> dict[str, list[dict[str, Any]]]:
    """Type each command that changes something; return the entries by their action."""
    reason = ("--reason", "as agreed")
    answer("org", "raise", organization_id, "--turns", "9", *reason)
    answer("org", "raise", organization_id, "--burst", "7", "--until", "2999-01-01", *reason)
    answer("org", "set-plan", organization_id, "scale", "--reset-limits", *reason)
    answer("org", "suspend", organization_id, *reason)
    answer("org", "resume", organization_id, *reason)
    key = answer("key", "create", organization_id, "--scope", "read", "--label", "ci", *reason)
    answer("key", "rotate", key["id"], *reason)
    answer("key", "revoke", key["id"], *reason)
    found = entries(answer)
    return {
        entry["action"]: [e for e in found if e["action"] == entry["action"]] for entry in found
    }


def test_each_command_that_changes_something_has_an_entry(
    answer: Answer, organization_id: str, changed: dict[str, list[dict[str, Any]]]
) -> None:
    found = entries(answer)

    assert {entry["organization_id"] for entry in found} == {organization_id}
    assert {(entry["who"], entry["outcome"]) for entry in found} == {(WHO, "done")}
    assert [entry["reason"] for entry in found] == ["as agreed"] * 9 + [None]
    assert {action: len(each) for action, each in changed.items()} == {
        "organization.created": 1,
        "limits.changed": 2,
        "plan.changed": 1,
        "organization.suspended": 1,
        "organization.resumed": 1,
        "key.created": 2,
        "key.rotated": 1,
        "key.revoked": 1,
    }


TEMPORARY = {"value": 7, "until_ms": 32_472_144_000_000}
CHANGES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "plan.changed",
        {"plan": "pro", "overrides": {"turns": 9}, "temporary_limits": {"burst": TEMPORARY}},
        {"plan": "scale", "overrides": {"turns": None}, "temporary_limits": {"burst": None}},
    ),
    (
        "limits.changed",
        {"temporary_limits": {"burst": None}},
        {"temporary_limits": {"burst": TEMPORARY}},
    ),
    ("organization.suspended", {"is_suspended": False}, {"is_suspended": True}),
    ("organization.resumed", {"is_suspended": True}, {"is_suspended": False}),
]


@pytest.mark.parametrize(("action", "before", "after"), CHANGES)
def test_an_entry_has_the_values_before_and_after(
    changed: dict[str, list[dict[str, Any]]],
    action: str,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    entry = changed[action][0]
    assert (entry["before"], entry["after"], entry["key_id"]) == (before, after, None)


def test_entries_of_keys_name_the_keys(
    answer: Answer, organization_id: str, changed: dict[str, list[dict[str, Any]]]
) -> None:
    new, old = answer("key", "list", organization_id)
    (rotated,), (revoked,) = changed["key.rotated"], changed["key.revoked"]

    assert {entry["key_id"] for entry in changed["key.created"]} == {new["id"], old["id"]}
    assert rotated["key_id"] == revoked["key_id"] == old["id"]
    assert rotated["before"] == {"expires_at": None, "replaced_by": None}
    assert rotated["after"] == {"expires_at": old["expires_at"], "replaced_by": new["id"]}
    assert (revoked["before"], revoked["after"]) == (
        {"revoked_at": None},
        {"revoked_at": old["revoked_at"]},
    )


def test_entries_hold_no_text_of_a_key(answer: Answer, run: Run, organization_id: str) -> None:
    key = answer("key", "create", organization_id, "--scope", "read")
    answer("key", "revoke", key["key"])

    for words in ((), ("--json",)):
        assert "uniq_" not in run("audit", "list", *words).stdout


def test_a_change_that_changes_nothing_has_no_entry(answer: Answer, organization_id: str) -> None:
    key = answer("key", "create", organization_id, "--scope", "read")
    for _ in range(2):
        answer("org", "suspend", organization_id)
        answer("org", "raise", organization_id, "--turns", "9")
        answer("key", "revoke", key["id"])

    actions = [entry["action"] for entry in entries(answer)]

    assert len(actions) == len(set(actions)) == 5


def test_changes_over_the_api_are_of_the_key_that_made_them(answer: Answer, caller: Caller) -> None:
    mine = caller("GET", "/v1/me").get_json()["key_id"]
    made = caller("POST", "/v1/api-keys", json={"scope": "read"}).get_json()
    assert caller("DELETE", f"/v1/api-keys/{made['id']}").status_code == 204

    revoked, created = entries(answer, "--limit", "2")

    for entry, action in ((revoked, "key.revoked"), (created, "key.created")):
        assert (entry["who"], entry["action"]) == (f"key:{mine}", action)
        assert (entry["key_id"], entry["organization_id"]) == (made["id"], caller.organization.id)
    assert created["after"] == {"environment": "live", "scope": "read"}


def test_a_repeated_request_for_a_key_has_one_entry(answer: Answer, caller: Caller) -> None:
    headers = {"Idempotency-Key": "retry-1"}
    for _ in range(3):
        answered = caller("POST", "/v1/api-keys", json={"scope": "read"}, headers=headers)
        assert answered.status_code == 201

    assert len(entries(answer, "--action", "key.created")) == 2, "the caller's own and this one"


@pytest.fixture
def audit_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every write of an entry fail."""
    insert = Collection.insert_one

    def fail(collection: Collection, *words: Any, **options: Any) -> Any:
        if collection.name == AUDIT:
            raise AutoReconnect("gone")
        return insert(collection, *words, **options)

    monkeypatch.setattr(Collection, "insert_one", fail)


def keys_of(answer: Answer, organization_id: str) -> list[dict[str, Any]]:
    """Return the keys of an organization without their last use, which is written later."""
    listed = answer("key", "list", organization_id)
    return [key | {"last_used_at": None} for key in listed]


def test_without_its_entry_a_change_is_refused(
    run: Run, answer: Answer, caller: Caller, request: pytest.FixtureRequest
) -> None:
    organization_id = caller.organization.id
    before = (answer("org", "show", organization_id), keys_of(answer, organization_id))
    request.getfixturevalue("audit_away")

    for words in (
        ("org", "suspend", organization_id),
        ("org", "raise", organization_id, "--turns", "9"),
        ("key", "create", organization_id, "--scope", "read"),
        ("key", "revoke", before[1][0]["id"]),
        ("key", "rotate", before[1][0]["id"]),
    ):
        refused = run(*words)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert len(refused.stderr.splitlines()) == 1
    answered = caller("POST", "/v1/api-keys", json={"scope": "read"})
    assert (answered.status_code, error_of(answered)["code"]) == (503, "service_unavailable")

    after = (answer("org", "show", organization_id), keys_of(answer, organization_id))
    assert after == before


def test_lists_are_filtered(answer: Answer, organization_id: str, clock: Clock) -> None:
    clock.move(s=3 * 86_400)
    other = answer("org", "create", "Other")
    answer("org", "suspend", other["id"])

    assert len(entries(answer)) == 3
    assert len(entries(answer, "--organization", "Other")) == 2
    assert [entry["action"] for entry in entries(answer, "--limit", "1")] == [
        "organization.suspended"
    ]
    assert len(entries(answer, "--action", "organization.created")) == 2
    assert len(entries(answer, "--since", other["created_at"])) == 2
    assert entries(answer, "--since", "2999-01-01") == []


def test_the_table_shows_changes_and_reasons(run: Run, organization_id: str) -> None:
    run("org", "raise", organization_id, "--turns", "9", "--reason", "x")

    shown = run("audit", "list").stdout

    for text in ("limits.changed", organization_id, WHO, "turns: - -> 9", "reason: x"):
        assert text in shown


def test_a_terminal_of_eighty_columns_shows_whole_ids(
    run: Run, answer: Answer, organization_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = answer("key", "create", organization_id, "--scope", "read")
    answer("key", "rotate", key["id"])
    monkeypatch.setattr(tables, "_PIPE_COLUMNS", 80)

    shown = run("audit", "list").stdout

    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80
    assert shown.count(organization_id) == 4
    assert key["id"] in shown


def test_outcomes_other_than_done_are_shown(
    memory_app: Flask, run: Run, answer: Answer, organization_id: str
) -> None:
    with memory_app.app_context():
        stored = provided(Backend).database[AUDIT]
    stored.update_many({}, {"$set": {"outcome": "intended"}})

    assert "organization.created (intended)" in run("audit", "list").stdout
    assert entries(answer)[0]["outcome"] == "intended"


@pytest.mark.parametrize("words", [("--action", "key.read"), ("--limit", "0"), ("--since", "now")])
def test_a_wrong_filter_is_a_usage_error(run: Run, words: tuple[str, str]) -> None:
    result = run("audit", "list", *words)

    assert result.exit_code == 2
    assert words[0] in result.stderr


def test_a_reason_that_cannot_be_printed_is_refused(run: Run, organization_id: str) -> None:
    result = run("org", "suspend", organization_id, "--reason", "two\nlines")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "1 to 200 printable characters" in result.stderr
    assert json.loads(run("org", "show", organization_id, "--json").stdout)["is_suspended"] is False
