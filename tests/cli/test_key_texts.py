"""Keys are revoked and rotated by id, by their text and by their hint."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from app.tenancy import key_format
from tests.callers import Clock
from tests.cli.conftest import Run

Answer = Callable[..., Any]
Key = dict[str, Any]


@pytest.fixture
def key(answer: Answer, organization_id: str) -> Key:
    """A key as `flask key create` shows it."""
    made: Key = answer("key", "create", organization_id, "--scope", "read_write", "--label", "ci")
    return made


@pytest.mark.parametrize("name", ["id", "key", "hint"])
def test_a_key_is_revoked_by_each_of_its_names(
    run: Run, answer: Answer, organization_id: str, key: Key, name: str
) -> None:
    result = run("key", "revoke", key[name], "--json")

    assert result.exit_code == 0, result.output
    revoked = json.loads(result.stdout)
    assert (revoked["id"], revoked["revoked_at"] is None) == (key["id"], False)
    assert key["key"] not in result.output
    assert answer("key", "list", organization_id) == [revoked]


def test_a_key_is_read_from_standard_input(memory_app: Flask, key: Key) -> None:
    runner = memory_app.test_cli_runner()

    result = runner.invoke(args=["key", "revoke", "-", "--json"], input=f"  {key['key']}\n")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["id"] == key["id"]
    assert key["key"] not in result.output


def test_the_help_says_who_can_see_an_argument(run: Run) -> None:
    shown = " ".join(run("key", "revoke", "--help").stdout.split())

    assert "visible to other users of the machine, in `ps`" in shown
    assert "with `-` it is read from standard input" in shown


def test_a_part_of_a_key_is_refused_without_repeating_it(run: Run, key: Key) -> None:
    result = run("key", "revoke", key["key"][:-1])

    assert (result.exit_code, result.stdout) == (1, "")
    assert key["hint"] in result.stderr
    assert key["key"][:16] not in result.stderr


def test_a_key_that_was_never_issued_is_not_found_and_not_repeated(run: Run, key: Key) -> None:
    unknown = key_format.generate(key_format.parse(key["key"]).environment).token

    result = run("key", "revoke", unknown)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no such API key." in result.stderr
    assert unknown[:16] not in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("key", "revoke", "key_absent"),
        ("key", "rotate", "key_absent", "--overlap"),
        ("key",),
        ("key", "list"),
        ("org", "suspend"),
        ("audit", "list", "--action"),
    ],
)
def test_a_key_in_the_wrong_position_is_not_repeated(
    run: Run, key: Key, words: tuple[str, ...]
) -> None:
    result = run(*words, key["key"])

    assert result.exit_code in {1, 2}
    assert key["hint"] in result.stderr
    assert key["key"][:16] not in result.output


def test_an_ambiguous_hint_is_refused_with_the_candidates(
    memory_app: Flask, run: Run, key: Key
) -> None:
    with memory_app.app_context():
        keys = provided(Backend).database["api_keys"]
    stored = keys.find_one({"_id": key["id"]})
    assert stored is not None
    keys.insert_one(stored | {"_id": "key_other", "lookup": stored["lookup"][:4] + "...."})

    result = run("key", "revoke", key["hint"])

    assert (result.exit_code, result.stdout) == (1, "")
    assert key["id"] in result.stderr
    assert "key_other" in result.stderr
    assert keys.count_documents({"revoked_at": None}) == 2


def test_a_rotation_shows_the_new_key_and_the_end_of_the_old_one(
    answer: Answer, organization_id: str, key: Key, clock: Clock
) -> None:
    made = answer("key", "rotate", key["id"], "--overlap", "90m")

    assert key_format.parse(made["key"])
    kept = ("scope", "environment", "label", "organization_id")
    assert [made[name] for name in kept] == [key[name] for name in kept]
    assert made["replaces"]["id"] == key["id"]
    new, old = answer("key", "list", organization_id)
    assert (new["id"], old["id"]) == (made["id"], key["id"])
    assert old["expires_at"] == made["replaces"]["expires_at"]
    clock.move(s=90 * 60)
    assert [found["id"] for found in answer("key", "list", organization_id)] == [
        made["id"],
        key["id"],
    ]


def test_the_table_of_a_rotation_shows_the_new_key_once(run: Run, key: Key) -> None:
    result = run("key", "rotate", key["hint"])

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert key_format.parse(lines[-2])
    assert result.stdout.count(lines[-2]) == 1
    assert f"id={key['id']}" in result.stdout


@pytest.mark.parametrize("overlap", ["1", "h", "1w", "-1h", "366d", "1.5h", ""])
def test_a_wrong_overlap_is_a_usage_error_that_names_what_would_do(
    run: Run, key: Key, overlap: str
) -> None:
    result = run("key", "rotate", key["id"], f"--overlap={overlap}")

    assert result.exit_code == 2
    assert "90m" in result.stderr


def test_a_revoked_key_is_not_rotated(run: Run, key: Key) -> None:
    run("key", "revoke", key["id"])

    result = run("key", "rotate", key["id"])

    assert (result.exit_code, result.stdout) == (1, "")
    assert "flask key create" in result.stderr
