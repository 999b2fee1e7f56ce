"""Stored texts cannot make a terminal do anything, whatever wrote them."""

import pytest
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from tests.callers import new_caller
from tests.cli.conftest import Run

ESCAPES = "\x1b[2J\x1b]0;owned\x07\u202eevil\r\x9b31m"


@pytest.mark.parametrize(
    "words",
    [
        ("org", "list"),
        ("org", "show", "ORG"),
        ("key", "list", "ORG"),
        ("quota", "top"),
        ("limits", "top"),
        ("audit", "list"),
    ],
)
def test_tables_escape_control_characters(
    run: Run, memory_app: Flask, words: tuple[str, ...]
) -> None:
    caller = new_caller(memory_app)
    assert caller("GET", "/v1/me").status_code == 200
    with memory_app.app_context():
        database = provided(Backend).database
        database["organizations"].update_many({}, {"$set": {"name": ESCAPES}})
        database["api_keys"].update_many({}, {"$set": {"label": ESCAPES}})
        database["audit"].update_many({}, {"$set": {"reason": ESCAPES, "who": f"key:{ESCAPES}"}})

    result = run(*[caller.organization.id if word == "ORG" else word for word in words])

    assert result.exit_code == 0, result.output
    assert [sign for sign in result.output if not (sign.isprintable() or sign == "\n")] == []
