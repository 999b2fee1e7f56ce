"""Refused requests and minutes are written before the service ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from tests import plain_http
from tests.servers import ServerKind, environ_for, running_service


@pytest.mark.parametrize("kind", list(ServerKind))
def test_a_request_that_was_refused_just_before_the_end_is_kept(
    own_stores: Callable[[], tuple[str, str]], tmp_path: Path, kind: ServerKind
) -> None:
    mongodb_uri, redis_url = own_stores()
    environ = environ_for(mongodb_uri, redis_url)
    with running_service(environ, tmp_path / "log", workers_count=1, kind=kind) as service:
        answer = plain_http.get(f"{service.base_url}/v1/me", timeout=30)
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        entry = client.get_default_database()["refused_requests"].find_one(
            {"_id": answer.headers["X-Request-Id"]}
        )
    assert entry is not None
    assert (entry["status"], entry["route"]) == (401, "/v1/me")
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        minutes: list[Any] = [redis.hgetall(key) for key in redis.keys("minutes:*")]
    assert sum(int(minute.get("client_error", 0)) for minute in minutes) == 1
