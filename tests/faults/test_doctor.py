"""`flask doctor` on real servers, sound and unreachable for each reason."""

import json
import re
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from redis import Redis

from app import create_app
from app.backends.backend import Backend
from app.http.application import provided
from app.usage.notes.store import PassNotes
from tests.faults.test_reasons import (
    CANARY,
    MONGODB,
    NOBODY,
    REDIS,
    Addresses,
    addresses,
    settings_at,
)
from tests.turns import now_ms

COLUMNS_COUNT = 80
# The fixture of the other module.
__all__ = ["addresses"]


def doctor(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["doctor", *words])


def findings(app: Flask) -> dict[str, dict[str, Any]]:
    """Return the findings by their check; of several the worst."""
    result = doctor(app, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == any(each["state"] == "bad" for each in found)
    ranks = ["ok", "look", "bad"]
    return {each["check"]: each for each in sorted(found, key=lambda f: ranks.index(f["state"]))}


@pytest.fixture
def sound_app(live_app: Flask) -> Flask:
    """Return the application on servers that are set up as they should be."""
    with live_app.app_context():
        provided(PassNotes).note_sweep(now_ms() * 1_000)
    return live_app


def test_a_sound_deployment_has_nothing_bad(sound_app: Flask) -> None:
    found = findings(sound_app)
    assert list(found)
    assert {each["state"] for each in found.values()} <= {"ok", "look"}
    checks = {"settings", "mongodb", "schema", "redis", "eviction", "clocks", "proxy hops"}
    assert found.keys() == checks | {"worker", "archive", "request log", "minutes"}
    ok = {name for name, each in found.items() if each["state"] == "ok"}
    # The mongod of tests is a replica set or not, as the tests need it, and no service has run.
    assert found.keys() - ok <= {"mongodb", "minutes"}


def test_lines_fit_80_columns_and_a_worker_that_never_ran_is_bad(live_app: Flask) -> None:
    result = doctor(live_app)
    assert result.exit_code == 1
    assert max(map(len, result.stdout.splitlines())) <= COLUMNS_COUNT
    assert re.search(r"^bad   worker       has never run$", result.stdout, re.MULTILINE)
    assert re.search(r"^ {19}-> start flask --app wsgi worker$", result.stdout, re.MULTILINE)


def test_a_missing_index_names_its_command(sound_app: Flask) -> None:
    with sound_app.app_context():
        provided(Backend).database["interactions"].drop_index("list")
    found = findings(sound_app)["schema"]
    assert found["state"] == "bad"
    assert "interactions.list" in found["text"]
    assert found["next_step"] == "flask --app wsgi db init"


def test_an_evicting_redis_is_bad(sound_app: Flask, redis_admin: Redis) -> None:
    redis_admin.config_set("maxmemory-policy", "allkeys-lru")
    try:
        found = findings(sound_app)["eviction"]
    finally:
        redis_admin.config_set("maxmemory-policy", "noeviction")
    assert found["state"] == "bad"
    assert "allkeys-lru" in found["text"]


DIFFERENT = ["refused", "no host", "wrong password", "unknown authority", "other host"]


@pytest.mark.parametrize("case", [*DIFFERENT, "no TLS"])
def test_each_reason_of_mongodb_has_its_own_next_step(
    addresses: Addresses,
    case: str,
) -> None:
    uri, reason = MONGODB[case]
    found = unreachable(addresses, uri, f"redis://{NOBODY}")["mongodb"]
    assert (found["state"], found["text"]) == ("bad", reason)
    assert found["next_step"]


@pytest.mark.parametrize("case", [*DIFFERENT, "no such database"])
def test_each_reason_of_redis_has_its_own_next_step(
    addresses: Addresses,
    case: str,
) -> None:
    url, reason = REDIS[case]
    found = unreachable(addresses, f"mongodb://{NOBODY}", url)["redis"]
    assert (found["state"], found["text"]) == ("bad", reason)
    assert found["next_step"]


def unreachable(at: Addresses, mongodb_uri: str, redis_url: str) -> dict[str, dict[str, Any]]:
    """Return the findings while neither store can be used; they hold no secret."""
    app = create_app(settings_at(at, mongodb_uri, redis_url))
    try:
        found = findings(app)
    finally:
        with app.app_context():
            provided(Backend).close()
    assert CANARY not in str(found)
    assert "127.0.0.1" not in str(found)
    for check in ("schema", "worker", "request log", "minutes"):
        assert found[check]["state"] == "look"
        assert found[check]["text"].startswith("not checked")
    assert "eviction" not in found
    assert "clocks" not in found
    return found
