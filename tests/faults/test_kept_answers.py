"""Tags, gzip and CORS of a running service, as clients and browsers see them on both servers."""

from collections.abc import Callable
from typing import Any

from flask import Flask

from tests import plain_http
from tests.callers import LIST, app_beside, http_client, new_caller
from tests.servers import RunningService, ServerKind
from tests.turns import whole

PAGE = "https://app.example"


def test_workers_agree_on_tags_and_compress_for_pages_of_an_allowed_origin(
    serve: Callable[..., tuple[RunningService, Flask]], kind: ServerKind
) -> None:
    service, app = serve(kind=kind, workers_count=2, CORS_ALLOWED_ORIGINS=PAGE)
    caller = new_caller(app)
    caller.record_batch([whole() for _ in range(100)])
    url = f"{service.base_url}{LIST}?limit=100"
    headers = caller.headers | {"Origin": PAGE}

    # Each on a new connection, so that both workers answer some.
    answers = [plain_http.get(url, headers=headers) for _ in range(12)]
    plain = plain_http.get(url, headers=headers | {"Accept-Encoding": "identity"})

    (tag,) = {answer.headers["ETag"] for answer in [*answers, plain]}
    for answer in answers:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.json() == plain.json()
        assert answer.num_bytes_downloaded * 5 < plain.num_bytes_downloaded
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    kept = [plain_http.get(url, headers=headers | {"If-None-Match": tag}) for _ in range(12)]
    assert [(answer.status_code, answer.content) for answer in kept] == [(304, b"")] * 12
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in kept} == {PAGE}


def test_a_connection_is_used_again_after_answers_without_a_body(
    shared_service: RunningService,
) -> None:
    with (
        app_beside(shared_service) as app,
        http_client(shared_service, new_caller(app)) as client,
    ):
        asked: list[tuple[str, dict[str, Any]]] = [
            ("HEAD", {}),
            ("GET", {"If-None-Match": "*"}),
            ("HEAD", {"If-None-Match": "*"}),
            ("OPTIONS", {}),
        ]
        for method, headers in asked * 3:
            bare = client.request(method, LIST, headers=headers)
            assert bare.content == b""
            whole_answer = client.get(LIST)
            assert whole_answer.json() == {"data": [], "next_cursor": None}
            for answer in (bare, whole_answer):
                assert answer.headers.get("Connection", "keep-alive") == "keep-alive"
