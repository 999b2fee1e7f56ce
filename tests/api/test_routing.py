"""Routing: every path with every method, and paths that look alike."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.api.caching import cache_control
from tests.callers import error_of, new_caller

METHODS = (
    *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"),
    *("get", "Put", "delete"),
)
ID = "int_01ARZ3NDEKTSV4RRFFQ69G5FAV"


def methods_by_path(app: Flask) -> dict[str, set[str]]:
    """Return each path as a client writes it, and every method that it takes."""
    found: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        path = re.sub("<[^>]*>", ID, rule.rule)
        found.setdefault(path, set()).update(rule.methods or ())
    for allowed in found.values():
        allowed.add("OPTIONS")
    return found


def every_request(app: Flask) -> Iterator[tuple[str, str, set[str]]]:
    for path, allowed in methods_by_path(app).items():
        for method in METHODS:
            yield method, path, allowed


def test_every_path_answers_its_methods_and_refuses_others_with_allow(memory_app: Flask) -> None:
    caller = new_caller(memory_app)
    refused_count = 0
    for method, path, allowed in every_request(memory_app):
        answer = caller(method, path)
        assert (answer.status_code == 405) == (method not in allowed), (method, path)
        if method not in allowed:
            refused_count += 1
            assert set(answer.headers["Allow"].split(", ")) == allowed, (method, path)
    assert refused_count > 140


def test_only_three_fixed_paths_match_a_path_with_an_id(memory_app: Flask) -> None:
    rules = list(memory_app.url_map.iter_rules())
    named = {rule.rule for rule in rules if not rule.arguments}
    # The console's rule for all its other paths is last, and answers 404.
    chosen = [rule for rule in rules if rule.arguments and rule.endpoint != "console.unknown"]
    open_ = [re.sub("<[^>]*>", "[^/]+", rule.rule) for rule in chosen]
    shadowed = {path for path in named for pattern in open_ if re.fullmatch(pattern, path)}
    assert shadowed == {
        "/v1/interactions/batch",
        "/v1/interactions/aggregates",
        "/v1/turns/completions",
    }


def ask(app: Flask, path: str, **environ: str) -> TestResponse:
    """Send a request with exactly this path."""
    return app.test_client().get("/", environ_overrides={"PATH_INFO": path, **environ})


@pytest.mark.parametrize("path", ["//v1/billing/plans", "///v1/billing/plans", "//healthz", "//"])
def test_a_path_with_leading_slashes_is_not_found(memory_app: Flask, path: str) -> None:
    answer = ask(memory_app, path)
    assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found")


@pytest.mark.parametrize("sent", ["/v1%2fbilling/plans", "/v1/billing%2Fplans?a=1", "/%2fv1"])
def test_an_encoded_slash_is_no_separator(memory_app: Flask, sent: str) -> None:
    answer = ask(memory_app, "/v1/billing/plans", RAW_URI=sent)
    assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "sent", ["/v1/billing/plans", "/v1/%62illing/plans", "http://a/v1/billing/plans"]
)
def test_other_encodings_of_a_path_are_the_same_path(memory_app: Flask, sent: str) -> None:
    assert ask(memory_app, "/v1/billing/plans", RAW_URI=sent).status_code == 200


def test_an_encoded_slash_in_a_query_is_a_value(memory_app: Flask) -> None:
    caller = new_caller(memory_app)
    options = {"environ_overrides": {"RAW_URI": "/v1/interactions?user_id=a%2Fb"}}
    assert caller("GET", "/v1/interactions?user_id=a%2Fb", **options).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (None, 400),
        ("a,b", 400),
        ("a b", 400),
        ("<script>", 400),
        ("é", 400),
        ("", 200),
        ("my_app:8000", 200),
        ("[2001:db8::1]:8000", 200),
        ("xn--bcher-kva.example", 200),
    ],
)
def test_a_host_is_one_name(memory_app: Flask, host: str | None, status: int) -> None:
    if host is None:
        answer = hostless(memory_app)
    else:
        answer = ask(memory_app, "/v1/billing/plans", HTTP_HOST=host)
    assert answer.status_code == status
    if status == 400:
        assert [fault["field"] for fault in error_of(answer)["details"]] == ["Host"]


def hostless(app: Flask, protocol: str = "HTTP/1.1") -> TestResponse:
    """Remove the host that the test client puts into every request."""

    def without_host(environ: dict[str, object], start: object) -> object:
        environ.pop("HTTP_HOST")
        environ["SERVER_PROTOCOL"] = protocol
        return served(environ, start)

    served = app.wsgi_app
    app.wsgi_app = without_host  # type: ignore[assignment,method-assign]
    try:
        return app.test_client().get("/v1/billing/plans")
    finally:
        app.wsgi_app = served  # type: ignore[method-assign]


def test_http_1_0_needs_no_host(memory_app: Flask) -> None:
    assert hostless(memory_app, "HTTP/1.0").status_code == 200


def test_every_answer_keeps_its_type_and_errors_are_not_stored(memory_app: Flask) -> None:
    caller = new_caller(memory_app)
    for method, path, _ in every_request(memory_app):
        for answer in (caller(method, path), memory_app.test_client().open(path, method=method)):
            assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]
            stored = answer.headers.get_all("Cache-Control")
            assert stored == cache_control(method, path, answer.status_code), (method, path)
