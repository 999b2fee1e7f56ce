"""`flask key`, as an operator types it."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from app.tenancy import key_format
from app.tenancy.key_lists import MAX_PER_PAGE
from tests.cli.conftest import Run

Answer = Callable[..., Any]


@pytest.mark.parametrize("environment", ["live", "test"])
@pytest.mark.parametrize("scope", ["read", "read_write", "admin"])
def test_a_created_key_is_shown_in_full_with_its_id(
    answer: Answer, organization_id: str, scope: str, environment: str
) -> None:
    words = ("--scope", scope, "--environment", environment)

    made = answer("key", "create", organization_id, *words)

    parsed = key_format.parse(made["key"])
    assert parsed.environment == environment
    assert (made["scope"], made["environment"]) == (scope, environment)
    assert made["id"].startswith("key_")
    assert (made["label"], made["expires_at"], made["revoked_at"]) == (None, None, None)


def test_the_plain_answer_shows_the_key_once_and_says_so(run: Run, organization_id: str) -> None:
    result = run("key", "create", organization_id, "--scope", "read")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert key_format.parse(lines[-2])
    assert lines[-1] == "Keep this key now: it is not shown again."
    assert result.stdout.count(lines[-2]) == 1
    assert lines[-2] not in run("key", "list", organization_id).stdout


def test_lifetime_and_label_are_kept(answer: Answer, organization_id: str) -> None:
    words = ("--scope", "read", "--expires-in", "30", "--label", "ci")

    made = answer("key", "create", organization_id, *words)

    assert made["label"] == "ci"
    assert made["expires_at"][10:] == made["created_at"][10:]
    assert made["expires_at"] > made["created_at"]


def test_listing_is_newest_first_by_environment_and_without_secrets(
    run: Run, answer: Answer, organization_id: str
) -> None:
    made = [
        answer("key", "create", organization_id, "--scope", "read", "--environment", environment)
        for environment in ("live", "test")
    ]

    listed = answer("key", "list", organization_id)
    assert {key["id"] for key in listed} == {key["id"] for key in made}
    assert not any("key" in key or "digest" in key for key in listed)
    only_test = answer("key", "list", organization_id, "--environment", "test")
    assert [key["id"] for key in only_test] == [made[1]["id"]]
    assert made[0]["hint"] in run("key", "list", organization_id).stdout


def test_the_list_holds_every_key_of_many_pages_active_ones_first(
    answer: Answer, organization_id: str, memory_app: Flask
) -> None:
    made = answer("key", "create", organization_id, "--scope", "admin")
    with memory_app.app_context():
        collection = provided(Backend).database["api_keys"]
    stored = collection.find_one({"_id": made["id"]})
    assert stored is not None
    ended = {"revoked_at": stored["created_at"]}
    numbers = range(3 * MAX_PER_PAGE)
    collection.insert_many(
        [
            stored | ended | {"_id": f"key_z{number:04}", "lookup": f"{number:08}"}
            for number in numbers
        ]
    )

    listed = answer("key", "list", organization_id)

    assert [key["id"] for key in listed] == [
        made["id"],
        *(f"key_z{number:04}" for number in reversed(numbers)),
    ]


def test_a_revoked_key_keeps_its_first_instant(answer: Answer, organization_id: str) -> None:
    key_id = answer("key", "create", organization_id, "--scope", "read")["id"]

    revoked = answer("key", "revoke", key_id)

    assert revoked["revoked_at"]
    assert answer("key", "revoke", key_id) == revoked
    assert answer("key", "list", organization_id) == [revoked]


@pytest.mark.parametrize(
    "words",
    [
        ("key", "create", "org_absent", "--scope", "read"),
        ("key", "list", "org_absent"),
        ("key", "revoke", "key_absent"),
    ],
)
def test_a_missing_element_is_one_line_with_the_next_step(run: Run, words: tuple[str, ...]) -> None:
    result = run(*words)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "flask org list" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), "--scope"),
        (("--scope", "owner"), "read_write"),
        (("--scope", "read", "--environment", "staging"), "live"),
        (("--scope", "read", "--expires-in", "0"), "--expires-in"),
        (("--scope", "read", "--expires-in", "3651"), "3650"),
    ],
)
def test_a_wrong_option_is_a_usage_error_that_names_what_would_do(
    run: Run, organization_id: str, words: tuple[str, ...], names: str
) -> None:
    result = run("key", "create", organization_id, *words)

    assert result.exit_code == 2
    assert names in result.stderr


def test_a_label_with_white_space_is_refused(run: Run, organization_id: str) -> None:
    result = run("key", "create", organization_id, "--scope", "read", "--label", "two words")

    assert result.exit_code == 1
    assert "without white space" in result.stderr
