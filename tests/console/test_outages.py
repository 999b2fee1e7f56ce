"""Pages while a store is unavailable: they open, say which one, and show the rest."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from app import create_app
from app.backends.backend import Backend
from app.backends.redis_clients import redis_client
from app.schema import ensure_schema
from tests.background import without_background
from tests.callers import new_caller
from tests.console.operator import Operator, log_in
from tests.console.test_overview import text_of
from tests.servers import settings_for

NOWHERE = "redis://127.0.0.1:1/0"
NO_MONGODB = "mongodb://127.0.0.1:1/"


@pytest.fixture
def without_redis(memory_backend: Backend) -> Iterator[Operator]:
    """An operator of an application whose Redis is unreachable."""
    gone = redis_client(NOWHERE, 50, 32)
    backend = dataclasses.replace(memory_backend, redis=gone, maintenance_redis=gone)
    app = without_background(create_app(settings_for(), backend))
    app.testing = True
    with app.app_context():
        ensure_schema()
    new_caller(app)
    yield log_in(app)
    gone.close()


def test_without_redis_the_page_opens_and_shows_the_rest(without_redis: Operator) -> None:
    data = without_redis.data("/console.json")
    for name in ("now", "traffic", "near", "limited"):
        assert data[name]["unavailable"]["store"] == "Redis"
        assert data[name]["unavailable"]["reason"] == "connection refused"
    assert len(data["changes"]["entries"]) == 2
    page = text_of(without_redis.page("/console"))
    assert "Redis is unavailable: connection refused." in page
    assert "organization.created" in page


@pytest.fixture
def without_mongodb(memory_backend: Backend) -> Iterator[Operator]:
    """An operator of an application whose MongoDB is unreachable."""
    with MongoClient[dict[str, Any]](NO_MONGODB, serverSelectionTimeoutMS=50) as client:
        gone = client["turnledger"]
        backend = dataclasses.replace(memory_backend, database=gone, maintenance_database=gone)
        # The client has no circuit breaker, so the checks wait until the request's deadline.
        settings = settings_for(mongodb_timeout_ms=500, request_deadline_s=1)
        app = without_background(create_app(settings, backend))
        app.testing = True
        yield log_in(app)


def test_without_mongodb_the_page_opens_and_shows_the_rest(without_mongodb: Operator) -> None:
    data = without_mongodb.data("/console.json")
    for name in ("near", "limited", "changes"):
        assert data[name]["unavailable"]["store"] == "MongoDB"
    for name in ("now", "traffic", "health"):
        assert data[name]["unavailable"] is None
    page = text_of(without_mongodb.page("/console"))
    assert "MongoDB is unavailable: connection refused." in page
    assert "Requests per minute" in page
