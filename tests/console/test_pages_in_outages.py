"""Pages open while a store is unavailable, and say which one."""

from typing import Any

import pytest
from flask import Flask
from pymongo.errors import AutoReconnect
from redis.exceptions import ConnectionError as RedisConnectionError
from ulid import ULID

from app.admission.clock import LedgerClock
from app.audit.trail import AuditTrail
from app.http.application import provided
from app.request_log.service import RequestLog
from app.tenancy.directory.service import Directory
from tests.callers import new_caller
from tests.console.operator import Operator


class Unavailable:
    """Replaces a store, and raises an error of the driver at each use."""

    def __getattr__(self, name: str) -> Any:
        raise AutoReconnect("a secret")


@pytest.fixture
def without_mongodb(memory_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the stores of the pages unavailable."""
    new_caller(memory_app)
    with memory_app.app_context():
        for service in (provided(Directory), provided(RequestLog), provided(AuditTrail)):
            monkeypatch.setattr(service, "_store", Unavailable())


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/console/keys", "list"),
        ("/console/keys?revoke=key_1&rotate=key_1", "revocation"),
        ("/console/requests", "newest"),
        pytest.param(f"/console/requests/{ULID()}", "lookup", id="a request of now"),
        ("/console/requests/abc", "newest"),
        ("/console/audit", "list"),
    ],
)
@pytest.mark.usefixtures("without_mongodb")
def test_a_page_opens_without_mongodb(own_operator: Operator, path: str, part: str) -> None:
    answer = own_operator.get(path)

    assert answer.status_code in (200, 400)
    assert "MongoDB is unavailable" in answer.text
    assert "flask doctor" in answer.text
    assert "a secret" not in answer.text
    path, _, query = path.partition("?")
    data = own_operator.get(f"{path}.json?{query}").get_json()
    assert data[part]["unavailable"]["store"] == "MongoDB"


@pytest.mark.usefixtures("without_mongodb")
def test_a_search_without_mongodb_is_503(own_operator: Operator) -> None:
    answer = own_operator.get("/console/find?q=acme")

    assert answer.status_code == 503
    assert "a secret" not in answer.text


@pytest.mark.parametrize("path", ["/console/keys", "/console/requests", "/console/audit"])
def test_a_page_opens_without_redis(
    memory_app: Flask, own_operator: Operator, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def fail() -> tuple[int, int]:
        raise RedisConnectionError("a secret")

    with memory_app.app_context():
        clock = provided(LedgerClock)
        monkeypatch.setattr(clock, "_offset_us", None)
        monkeypatch.setattr(clock._client, "time", fail)

    assert own_operator.get(path).status_code == 200
