"""Both servers: each answer of the application has one `Date`, which is true."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
from flask import Flask

from tests.callers import LIST, TURNS, http_client, new_caller
from tests.exports import NDJSON
from tests.servers import RunningService, ServerKind
from tests.turns import body, reservation

Serve = Callable[..., tuple[RunningService, Flask]]


def answers(client: httpx.Client) -> Iterator[httpx.Response]:
    """Yield an answer of each status and form."""
    turn = body()
    yield client.post(LIST, json=turn)  # 201
    yield client.post(LIST, json=turn)  # 200
    yield client.post(LIST, json=turn | {"latency_ms": 1})  # 409
    yield client.post(f"{TURNS}/completions", json={"completions": [None]})
    held = client.post(TURNS, json=reservation()).json()["interaction_id"]
    yield client.delete(f"{TURNS}/{held}")  # 204
    page = client.get(LIST)
    yield client.get(LIST, headers={"If-None-Match": page.headers["ETag"]})  # 304
    yield client.get(LIST, headers={"Accept": NDJSON})  # a stream
    yield client.head(LIST)
    yield client.options(LIST)
    yield client.get(f"{LIST}?none=1")  # 400
    yield client.get(LIST, headers={"Authorization": "none"})  # 401
    yield client.get("/none")  # 404
    yield client.put(LIST)  # 405
    yield client.post(LIST, content=b" " * 300_000, headers={"Content-Type": "application/json"})
    yield client.post(LIST, content=b"{}", headers={"Content-Type": "text/plain"})  # 415
    yield client.get("/docs/errors/conflict")


def test_each_kind_of_answer_has_one_true_date(serve: Serve, kind: ServerKind) -> None:
    service, app = serve(workers_count=1, kind=kind)
    statuses = set()

    with http_client(service, new_caller(app)) as client:
        for answer in answers(client):
            statuses.add(answer.status_code)
            (date,) = answer.headers.get_list("Date")
            assert abs(parsedate_to_datetime(date) - datetime.now(UTC)) < timedelta(minutes=1)
    with http_client(service, new_caller(app, burst=1, requests_per_second=1)) as client:
        tried = (client.get(LIST) for _ in range(100))
        refused = next(answer for answer in tried if answer.status_code == 429)
        assert len(refused.headers.get_list("Date")) == 1

    assert statuses == {200, 201, 204, 304, 400, 401, 404, 405, 409, 413, 415}
