"""Keys show when they were last used, over HTTP and in commands."""

import json

import pytest
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from app.tenancy.authentication import Authenticator
from app.tenancy.key_uses import KeyUses
from tests.callers import Caller, Clock, new_caller


@pytest.fixture
def caller(memory_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """Return a caller whose keys are read for each request, and their uses written before it."""
    with memory_app.app_context():
        monkeypatch.setattr(provided(KeyUses), "_start", lambda work: work())
        # A moved clock does not move the age of the cache.
        monkeypatch.setattr(provided(Authenticator)._recent, "_seconds", 0)
    return new_caller(memory_app)


def test_a_key_shows_its_last_use(caller: Caller) -> None:
    clock = Clock(caller.app)
    made = caller("POST", "/v1/api-keys", json={"scope": "read"}).get_json()
    assert made["last_used_at"] is None
    path = f"/v1/api-keys/{made['id']}"
    assert caller("GET", path).get_json()["last_used_at"] is None

    user = Caller(caller.app, caller.organization, caller.environment, made["key"])
    assert user("GET", "/v1/me").status_code == 200
    first = caller("GET", path).get_json()["last_used_at"]
    clock.move(s=3_600)
    assert user("GET", "/v1/me").status_code == 200

    assert first is not None
    listed = caller("GET", "/v1/api-keys").get_json()["data"]
    (last,) = [key["last_used_at"] for key in listed if key["id"] == made["id"]]
    assert last == caller("GET", path).get_json()["last_used_at"]
    assert last > first


def test_a_command_shows_the_last_use(caller: Caller) -> None:
    assert caller("GET", "/v1/me").status_code == 200

    runner = caller.app.test_cli_runner()
    shown = runner.invoke(args=["key", "list", caller.organization.id, "--json"])

    (key,) = json.loads(shown.stdout)
    assert key["last_used_at"] is not None


def test_no_request_waits_for_a_write_or_fails_with_it(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, started = new_caller(memory_app), []

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError

    with memory_app.app_context():
        uses, keys = provided(KeyUses), provided(Backend).maintenance_database["api_keys"]
    monkeypatch.setattr(uses, "_start", started.append)
    monkeypatch.setattr(type(keys), "update_many", fail)

    assert caller("GET", "/v1/me").status_code == 200
    (work,) = started
    work()
    assert caller("GET", "/v1/me").status_code == 200
