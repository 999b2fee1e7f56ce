"""The log line of a request: its fields, without text that the client chooses."""

import errno
import json
from io import StringIO
from typing import Any

import pytest
from flask import Flask

from app.http.application import Application
from app.observability import answers
from app.observability.answer import NO_ROUTE, Answer
from app.observability.collecting import AnswerCollector
from tests.callers import error_of, new_caller
from tests.turns import body

INTERACTION = "/v1/interactions/int_01ARZ3NDEKTSV4RRFFQ69G5FAV"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_request_is_one_line_with_its_id_route_status_and_decision(
    memory_app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    caller = new_caller(memory_app)
    capsys.readouterr()

    answer = caller("GET", f"{INTERACTION}?", headers={"X-Request-Id": "mine-1"})

    (line,) = lines(capsys)
    duration_ms, timestamp = line.pop("durationMs"), line.pop("timestamp")
    assert duration_ms > 0
    assert timestamp.endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "requestId": answer.headers["X-Request-Id"],
        "clientRequestId": "mine-1",
        "method": "GET",
        "route": "/v1/interactions/<interaction_id>",
        "status": 404,
        "errorCode": "not_found",
        "fields": [],
        "organization": caller.organization.id,
        "keyId": caller.key_id,
        "decision": "admitted",
        "traceparent": None,
    }
    assert error_of(answer)["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/v1/interactions", {}, 200, None),
        ("GET", "/v1/interactions?limit=0", {}, 400, "validation_error"),
        ("GET", "/v1/interactions?cursor=a", {}, 400, "invalid_cursor"),
        ("GET", "/v1/interactions", {"Authorization": ""}, 401, "authentication_error"),
        ("GET", "/nothing", {}, 404, "not_found"),
        ("PATCH", "/v1/interactions", {}, 405, "method_not_allowed"),
        ("POST", "/v1/interactions", {}, 415, "unsupported_media_type"),
    ],
)
def test_the_line_has_the_code_of_the_error_that_was_answered(
    memory_app: Flask,
    capsys: pytest.CaptureFixture[str],
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    code: str | None,
) -> None:
    caller = new_caller(memory_app)
    capsys.readouterr()

    answer = caller(method, path, headers=headers)

    (line,) = lines(capsys)
    assert (line["status"], line["errorCode"]) == (answer.status_code, code) == (status, code)
    assert code is None or error_of(answer)["code"] == code


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        (body(latency_ms=-1), ["latency_ms"]),
        (body(latency_ms=-1, mode="x", secret="s"), ["mode", "latency_ms", "(unknown)"]),
        (body(usage={"input_tokens": -1, "a.secret": 1}), ["usage.input_tokens", "(unknown)"]),
        (body(guardrails={"applied": [1, 2]}), ["guardrails.applied.*"]),
        ([], ["body"]),
        (body(**{f"secret_{number}": 1 for number in range(30)}), ["(unknown)"]),
    ],
)
def test_the_line_names_the_wrong_fields_and_no_word_of_the_client(
    memory_app: Flask, capsys: pytest.CaptureFixture[str], payload: Any, names: list[str]
) -> None:
    caller = new_caller(memory_app)
    capsys.readouterr()

    assert caller.record(payload).status_code == 400

    (line,) = lines(capsys)
    assert line["fields"] == names
    assert "secret" not in json.dumps(line)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("limit=0", ["limit"]),
        ("secret=1", ["(unknown)"]),
        ("secret=1&secret=2", ["(repeated)"]),
        ("secret=", ["(empty)"]),
        ("cursor=x", ["cursor"]),
    ],
)
def test_the_line_names_wrong_parameters_of_the_api_alone(
    memory_app: Flask, capsys: pytest.CaptureFixture[str], query: str, names: list[str]
) -> None:
    caller = new_caller(memory_app)
    capsys.readouterr()

    assert caller("GET", f"/v1/interactions?{query}").status_code == 400

    (line,) = lines(capsys)
    assert line["fields"] == names


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("given", "is_valid"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"00-{TRACE}-{PARENT}-00", True),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"ff-{TRACE}-{PARENT}-01", False),
        (f"00-{TRACE}-{PARENT}-01-more", False),
        (f"00-{TRACE}-{PARENT}-01\n", False),
        (f" 00-{TRACE}-{PARENT}-01", False),
        (f"00-{TRACE}-{PARENT}", False),
        ("uniq_live_secret", False),
        ("", False),
    ],
)
def test_a_valid_traceparent_is_logged(
    memory_app: Flask, capsys: pytest.CaptureFixture[str], given: str, *, is_valid: bool
) -> None:
    capsys.readouterr()

    memory_app.test_client().get("/v1/me", environ_base={"HTTP_TRACEPARENT": given})

    (line,) = lines(capsys)
    assert line["traceparent"] == (given if is_valid else None)


@pytest.mark.parametrize(
    ("path", "route", "decision"),
    [("/nothing", NO_ROUTE, "admitted"), ("/v1/me", "/v1/me", "admitted")],
)
def test_requests_without_a_key_are_logged_without_an_organization(
    memory_app: Flask,
    capsys: pytest.CaptureFixture[str],
    path: str,
    route: str,
    decision: str | None,
) -> None:
    capsys.readouterr()
    memory_app.test_client().get(path, headers={"X-Request-Id": "two words"})

    (line,) = lines(capsys)
    assert (line["route"], line["decision"], line["organization"]) == (route, decision, None)
    assert line["clientRequestId"] is None


@pytest.mark.parametrize(
    ("given", "is_clean"),
    [
        ("mine-1", True),
        ("Mine:2.b_c-d", True),
        ("mine" * 16, True),
        ("mine" * 16 + "5", False),
        ("mine two", False),
        ("mine{}", False),
        ('mine"', False),
        ("mine\t", False),
        ("mine/1", False),
        ("miné", False),
        ("mine\u0661", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("path", ["/v1/me", "/v1/billing/plans", "/nothing"])
def test_a_clients_own_id_is_logged_if_it_is_clean_and_never_echoed(
    memory_app: Flask, capsys: pytest.CaptureFixture[str], path: str, given: str, *, is_clean: bool
) -> None:
    capsys.readouterr()

    # As the bytes that a client sends, which WSGI hands over as Latin-1.
    sent = given.encode().decode("latin-1")
    answer = memory_app.test_client().get(path, environ_base={"HTTP_X_REQUEST_ID": sent})

    (line,) = lines(capsys)
    assert line["clientRequestId"] == (given if is_clean else None)
    assert line["requestId"] == answer.headers["X-Request-Id"] != given
    assert "min" not in json.dumps(
        [line | {"clientRequestId": None}, answer.headers["X-Request-Id"]]
    )
    assert not [
        value for value in answer.headers.values() if "mine" in value or "min\u00e9" in value
    ]
    assert not given or given not in answer.text


def test_requests_are_answered_although_the_log_cannot_be_written(
    memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(StringIO):
        def flush(self) -> None:
            raise OSError("no space left on device")

    caller = new_caller(memory_app)
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", FullDisk())
        assert caller.record(body()).status_code == 201
        assert memory_app.test_client().get("/nothing").status_code == 404
    assert caller.rows_count() == 1


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "no space left"),
        # From prometheus_client for each new label after its file could not grow.
        IndexError("mmap slice assignment is wrong size"),
    ],
)
def test_requests_are_answered_although_a_metric_cannot_be_written(failure: Exception) -> None:
    app = Application("app")
    noted: list[Answer] = []

    def full_disk(_answer: Answer) -> None:
        raise failure

    collector = AnswerCollector([])
    collector.flusher.is_running = True  # so no thread starts, which would take the answer
    answers.init_app(app, [full_disk, noted.append], collector)
    app.add_url_rule("/", view_func=lambda: "done")
    assert app.test_client().get("/").text == "done"
    assert [answer.status for answer in noted] == [200]
    assert list(collector.answers) == noted
