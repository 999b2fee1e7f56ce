"""HEAD of every GET route, and OPTIONS of every path."""

from typing import Any, NoReturn

import pytest
from flask import Flask

from app.admission.gate import Gate
from app.admission.ip_limits import IpLimits
from app.backends.backend import Backend
from app.http.application import provided
from tests.api.caching import PUBLIC
from tests.api.test_routing import ID, methods_by_path
from tests.callers import Caller, Clock, error_of, new_caller
from tests.servers import OPERATOR_TOKEN
from tests.turns import body

CHANGING = {"X-Request-Id", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Content-Length"}


def get_paths(app: Flask) -> list[str]:
    """Return the paths with GET; those of the console need a session (`tests/console`)."""
    return [
        path
        for path, methods in methods_by_path(app).items()
        if "GET" in methods and not path.startswith("/console")
    ]


@pytest.mark.parametrize("accepted", ["identity", "gzip"])
def test_head_of_every_get_route_has_its_headers_and_no_body(
    memory_app: Flask, accepted: str
) -> None:
    Clock(memory_app)
    caller = new_caller(memory_app)
    turn = caller.record(body()).get_json()["interaction_id"]
    key = caller("GET", "/v1/me").get_json()["key_id"]
    paths = get_paths(memory_app)
    assert {*PUBLIC, "/metrics", "/readyz", "/v1/interactions"} < set(paths)
    ids = {
        "/v1/api-keys": key,
        "/v1/interactions": turn,
        "/docs/errors": "not_found",
        f"/static/{ID}": "ledger.css",
    }
    for pattern in paths:
        folder, _, last = pattern.rpartition("/")
        path = f"{folder}/{ids[folder]}" if last == ID else pattern
        headers = {"Accept-Encoding": accepted}
        if path == "/metrics":
            headers["Authorization"] = f"Bearer {OPERATOR_TOKEN}"
        got, head = (caller(method, path, headers=headers) for method in ("GET", "HEAD"))
        assert (head.status_code, head.data) == (200, b""), path
        assert got.status_code == 200, path
        assert list(head.headers.keys()) == list(got.headers.keys()), path
        for name in set(got.headers.keys()) - CHANGING:
            assert head.headers[name] == got.headers[name], (path, name)
        if path != "/metrics":  # which has counted the first request
            assert head.headers["Content-Length"] == got.headers["Content-Length"], path


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Origin": "https://a"}]
)
def test_options_of_every_path_are_answered_without_a_store_or_a_bucket(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    def refuse(*_arguments: Any, **_options: Any) -> NoReturn:
        raise AssertionError("a store or a bucket was used")

    with memory_app.app_context():
        backend = provided(Backend)
        monkeypatch.setattr(provided(Gate), "decide", refuse, raising=True)
        monkeypatch.setattr(provided(IpLimits), "charge", refuse, raising=True)
    monkeypatch.setattr(type(backend.redis), "execute_command", refuse)
    for path, methods in methods_by_path(memory_app).items():
        answer = memory_app.test_client().options(path, headers=headers)
        assert (answer.status_code, answer.data) == (204, b""), path
        assert set(answer.headers["Allow"].split(", ")) == methods, path
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Content-Type" not in answer.headers
        assert not [name for name, _ in answer.headers if name.startswith("X-RateLimit")]


@pytest.mark.parametrize("path", ["/nothing", "//v1/me", "/v1/me/", "*", "/v1/turns/a/b"])
def test_options_of_an_unknown_path_are_404_and_charge_the_address(
    memory_app: Flask, path: str
) -> None:
    answer = memory_app.test_client().options("/", environ_overrides={"PATH_INFO": path})
    assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found")
    assert "X-RateLimit-Limit" in answer.headers


def test_options_with_a_body_or_a_query_are_the_same(own: Caller) -> None:
    answer = own("OPTIONS", "/v1/me?a=1&a=2", data=b"x" * 10_000)
    assert (answer.status_code, answer.data) == (204, b"")
