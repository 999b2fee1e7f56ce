"""A method that a client invents is a text of the client: it is neither logged nor kept."""

import json

import pytest
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from tests.background import flush_background

METHOD = "FETCH-OF-USER-42" * 100


def test_an_invented_method_is_neither_logged_nor_kept(
    memory_app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    client = memory_app.test_client()
    for path in ("/v1/me", "/nowhere"):
        assert client.open(path, method=METHOD).status_code in (404, 405)
    flush_background(memory_app)

    printed = capsys.readouterr().out
    with memory_app.app_context():
        kept = list(provided(Backend).database["refused_requests"].find())
    assert {json.loads(line)["method"] for line in printed.splitlines()} == {"other"}
    assert [each["method"] for each in kept] == ["other", "other"]
    assert "USER-42" not in f"{printed} {kept}"
