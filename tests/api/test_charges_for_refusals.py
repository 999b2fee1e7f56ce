"""A request that is refused before its charge is charged on its way out."""

import json
from typing import Any

import pytest
from flask import Flask
from pymongo.errors import ServerSelectionTimeoutError
from redis.exceptions import ResponseError

from app.admission.errors import CountersUnavailable
from app.admission.gate import Gate
from app.http.application import provided
from app.http.body import UnreadBody
from app.http.request_errors import BodyMemoryExhausted, BodyTimeout, RequestError
from app.tenancy.model import Scope
from tests.callers import LIST, TURNS, Clock, error_of, new_caller
from tests.turns import body

CANARY = "canary4711"
RECORDING = [
    ("POST", LIST),
    ("POST", f"{LIST}/batch"),
    ("POST", TURNS),
    ("POST", f"{TURNS}/completions"),
    ("PUT", f"{TURNS}/int_x"),
]


@pytest.mark.parametrize(("error", "status"), [(BodyMemoryExhausted(), 503), (BodyTimeout(), 408)])
@pytest.mark.parametrize(("method", "path"), RECORDING)
def test_a_body_that_the_server_did_not_read_is_charged(
    memory_app: Flask, method: str, path: str, error: RequestError, status: int
) -> None:
    Clock(memory_app)
    caller = new_caller(memory_app, "free", burst=2, requests_per_second=1)
    headers = {"Content-Type": "application/json"}
    unread = {"wsgi.input": UnreadBody(error), "wsgi.input_terminated": True}

    answers = [caller(method, path, headers=headers, environ_overrides=unread) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status, status, 429]
    remaining = [answer.headers["X-RateLimit-Remaining"] for answer in answers]
    assert remaining == ["1", "0", "0"]
    assert "X-Quota-Turns-Used" not in answers[0].headers


@pytest.mark.parametrize("error", [CountersUnavailable(), ServerSelectionTimeoutError(CANARY)])
def test_another_503_is_not_charged(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    Clock(memory_app)
    caller = new_caller(memory_app, "free", burst=2, requests_per_second=1)

    def fail() -> None:
        raise error

    with monkeypatch.context() as failing:
        failing.setitem(memory_app.view_functions, "interactions.record", fail)
        unavailable = caller.record(body())

    assert unavailable.status_code == 503
    assert "X-RateLimit-Limit" not in unavailable.headers
    assert caller.list_().headers["X-RateLimit-Remaining"] == "1"


def break_script(
    app: Flask, monkeypatch: pytest.MonkeyPatch, error: Exception, name: str = "_run"
) -> None:
    """Let every call of the admission script, or one of this `name`, raise `error`."""

    def fail(*_given: Any, **_named: Any) -> None:
        raise error

    with app.app_context():
        monkeypatch.setattr(provided(Gate)._script, name, fail)


@pytest.mark.parametrize("scope", [Scope.READ, Scope.READ_WRITE], ids=["403", "400"])
@pytest.mark.parametrize(
    ("error", "status", "event"),
    [
        (ResponseError(CANARY), 500, "unexpected_error"),
        (KeyError(CANARY), 500, "unexpected_error"),
        (ServerSelectionTimeoutError(CANARY), 503, "store_unavailable"),
    ],
)
def test_a_charge_for_a_refusal_that_fails_is_answered_like_every_error(
    memory_app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    scope: Scope,
    error: Exception,
    status: int,
    event: str,
) -> None:
    caller = new_caller(memory_app, scope=scope)
    break_script(memory_app, monkeypatch, error)

    answer = caller.record({"odd": 1})

    out, err = capfd.readouterr()
    code = "internal_error" if status == 500 else "service_unavailable"
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)
    assert CANARY not in answer.text + out + err + caplog.text
    (logged,) = [line for line in map(json.loads, out.splitlines()) if line["event"] == event]
    assert logged["error"] == type(error).__name__
    if status == 500:
        assert any("charge_for_refusal" in frame for frame in logged["at"])


def test_a_quota_that_cannot_be_read_for_headers_is_answered_like_every_error(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Clock(memory_app)
    caller = new_caller(memory_app, "free", burst=1, requests_per_second=1)
    caller("GET", "/v1/me")  # which loads no quota
    break_script(memory_app, monkeypatch, ResponseError(CANARY), "read")

    answer = caller("GET", "/v1/me")

    out, err = capfd.readouterr()
    assert (answer.status_code, answer.headers["X-RateLimit-Remaining"]) == (500, "0")
    assert CANARY not in answer.text + out + err
    (logged,) = [each for each in map(json.loads, out.splitlines()) if "at" in each]
    assert (logged["event"], logged["error"]) == ("unexpected_error", "ResponseError")
    assert any(" find_quota" in frame for frame in logged["at"])
