"""Pages of other origins: off by default, allowed origins, errors that they can read."""

import re
from dataclasses import replace

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from app.backends.backend import Backend
from app.http.cors import EXPOSED
from app.schema import ensure_schema
from tests.callers import LIST, Caller, Clock, new_caller
from tests.servers import settings_for

PAGE, FOREIGN = "https://app.example", "https://evil.example"
ALLOWED = (PAGE, "http://localhost:3000")
ID = "int_01ARZ3NDEKTSV4RRFFQ69G5FAV"


def open_to(backend: Backend, *origins: str) -> Flask:
    app = create_app(replace(settings_for(), cors_allowed_origins=origins), backend)
    app.testing = True
    with app.app_context():
        ensure_schema()
    return app


@pytest.fixture
def open_app(memory_backend: Backend) -> Flask:
    return open_to(memory_backend, *ALLOWED)


@pytest.fixture
def page(open_app: Flask) -> Caller:
    return new_caller(open_app, "pro")


def names_of(answer: TestResponse) -> set[str]:
    return {name for name, _ in answer.headers if name.startswith("Access-Control-")}


def preflight(app: Flask, path: str, method: str = "GET", origin: str = PAGE) -> TestResponse:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,if-none-match",
    }
    return app.test_client().options(path, headers=asked)


def test_it_is_off_by_default(memory_app: Flask) -> None:
    caller = new_caller(memory_app)
    answers = [
        caller("GET", LIST, headers={"Origin": PAGE}),
        preflight(memory_app, LIST),
    ]
    for answer in answers:
        assert names_of(answer) == set()
        assert "Origin" not in answer.headers.get("Vary", "")


@pytest.mark.parametrize("origin", ALLOWED)
def test_a_page_of_an_allowed_origin_reads_the_answer_and_its_headers(
    page: Caller, origin: str
) -> None:
    answer = page("GET", "/v1/usage/turns", headers={"Origin": origin})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "Origin" in answer.headers.get_all("Vary")
    assert names_of(answer) == {"Access-Control-Allow-Origin", "Access-Control-Expose-Headers"}
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    own = {"ETag", *(name for name, _ in answer.headers if name.startswith("X-"))}
    assert own - {"X-Content-Type-Options"} <= set(exposed)


def test_every_header_that_programs_read_is_exposed(page: Caller) -> None:
    Clock(page.app)  # or the bucket refills while the test is slow
    seen: set[str] = set()
    for _ in range(60):
        answer = page("GET", "/v1/usage/turns", headers={"Origin": PAGE})
        seen.update(answer.headers.keys())
    assert answer.status_code == 429
    ours = {name for name in seen if re.match("X-(RateLimit|Quota|Request)|Retry-After|ETag", name)}
    assert ours <= set(EXPOSED)
    assert len(ours) == 11


@pytest.mark.parametrize(
    "origin", [FOREIGN, "null", f"{PAGE}:444", f"{PAGE}.evil.test", "", PAGE.upper()]
)
def test_a_foreign_page_reads_nothing(page: Caller, origin: str) -> None:
    answer = page("GET", LIST, headers={"Origin": origin})
    assert names_of(answer) == set()
    assert names_of(preflight(page.app, LIST, origin=origin)) == set()
    assert "Origin" in answer.headers.get_all("Vary")


def test_without_an_origin_only_vary_is_added(page: Caller) -> None:
    answer = page("GET", LIST)
    assert names_of(answer) == set()
    assert "Origin" in answer.headers.get_all("Vary")


def test_errors_and_429_can_be_read(open_app: Flask) -> None:
    Clock(open_app)
    caller = new_caller(open_app, "free", burst=1, requests_per_second=1)
    origin = {"Origin": PAGE}
    client = open_app.test_client()
    answers = {
        401: client.get(LIST, headers=origin),
        404: client.get("/nothing", headers=origin),
        405: client.patch(LIST, headers=origin),
        400: caller("GET", f"{LIST}?limit=0", headers=origin),
        429: caller("GET", LIST, headers=origin),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers.get_all("Access-Control-Allow-Origin") == [PAGE]
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


def test_a_bug_can_be_read(open_app: Flask) -> None:
    open_app.testing = False

    def fail() -> str:
        raise RuntimeError("a bug")

    open_app.view_functions["accounts.list_plans"] = fail
    answer = open_app.test_client().get("/v1/billing/plans", headers={"Origin": PAGE})
    assert answer.status_code == 500
    assert answer.headers.get_all("Access-Control-Allow-Origin") == [PAGE]


def test_a_304_can_be_read(page: Caller) -> None:
    origin = {"Origin": PAGE}
    tag = page("GET", LIST, headers=origin).headers["ETag"]
    answer = page("GET", LIST, headers=origin | {"If-None-Match": tag})
    assert answer.status_code == 304
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (LIST, {"GET", "HEAD", "POST", "OPTIONS"}),
        (f"{LIST}/batch", {"POST", "OPTIONS"}),
        (f"{LIST}/{ID}", {"GET", "HEAD", "OPTIONS"}),
        ("/v1/turns/completions", {"POST", "OPTIONS"}),
        (f"/v1/turns/{ID}", {"PUT", "DELETE", "OPTIONS"}),
    ],
)
def test_a_preflight_names_the_methods_of_the_path(
    open_app: Flask, path: str, methods: set[str]
) -> None:
    answer = preflight(open_app, path, "POST")
    assert (answer.status_code, answer.data) == (204, b"")
    headers = answer.headers
    assert headers["Access-Control-Allow-Origin"] == PAGE
    assert set(headers["Access-Control-Allow-Methods"].split(", ")) == methods
    assert {"Authorization", "Content-Type", "Idempotency-Key", "If-None-Match"} <= set(
        headers["Access-Control-Allow-Headers"].split(", ")
    )
    assert headers["Access-Control-Max-Age"] == "7200"
    assert "Access-Control-Allow-Credentials" not in headers


def test_a_preflight_of_an_unknown_path_is_404(open_app: Flask) -> None:
    answer = preflight(open_app, "/nothing")
    assert answer.status_code == 404
    assert "Access-Control-Allow-Methods" not in answer.headers


def test_any_origin_needs_no_vary(memory_backend: Backend) -> None:
    app = open_to(memory_backend, "*")
    caller = new_caller(app)
    for answer in (caller("GET", LIST, headers={"Origin": FOREIGN}), preflight(app, LIST)):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Origin" not in answer.headers.get_all("Vary")
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_with_any_origin_a_cache_may_give_a_page_the_answer_to_a_program(
    memory_backend: Backend,
) -> None:
    client = open_to(memory_backend, "*").test_client()
    for path in ("/openapi.json", "/v1/billing/plans", "/nothing"):
        assert client.get(path).headers["Access-Control-Allow-Origin"] == "*", path
