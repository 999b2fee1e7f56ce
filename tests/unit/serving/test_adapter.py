"""Requests through the adapter, with a fake in place of Granian."""

import gzip
from collections.abc import Iterable
from typing import Any

import pytest
from flask import Flask, Response, request

from app.error_answers import find_problem
from app.http.body import LARGEST_BYTES
from app.http.compression import compress
from app.http.request_errors import RequestError
from app.serving import adapter as adapter_module
from app.serving.bodies import DISCARDED_BYTES
from tests.unit.serving.fakes import Pairs, Protocol, Scope, adapter_to, serve

CLOSE = ("Connection", "close")
PART = b"x" * 65_536
CHUNKED = Pairs([("transfer-encoding", "chunked")])


def length(count: int) -> Pairs:
    return Pairs([("content-length", str(count))])


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__, static_folder=None)

    @app.route("/size", methods=["POST"])
    def size() -> str:
        return str(len(request.stream.read()))

    @app.get("/whole")
    def whole() -> str:
        return "whole"

    @app.get("/empty/<int:status>")
    def empty(status: int) -> Response:
        return Response(status=status)

    @app.get("/streamed")
    def streamed() -> Response:
        return Response(part for part in (b"one ", b"two"))

    @app.errorhandler(RequestError)
    def refuse(error: RequestError) -> tuple[str, int]:
        problem = find_problem(error)
        assert problem is not None
        return problem.code, problem.kind.status

    return app


@pytest.mark.parametrize("headers", [length(len(PART) * 2), CHUNKED])
def test_a_complete_body_keeps_the_connection_open(app: Flask, headers: Pairs) -> None:
    with adapter_to(app) as adapter:
        answer = serve(adapter, Scope("POST", "/size", headers=headers), Protocol([PART, PART]))
    assert (answer.status, answer.body) == (200, b"131072")
    assert CLOSE not in answer.headers


def test_the_rest_of_a_body_over_the_cap_is_read_and_discarded(app: Flask) -> None:
    sent = Protocol([PART] * (2 * LARGEST_BYTES // len(PART)))
    with adapter_to(app) as adapter:
        answer = serve(adapter, Scope("POST", "/size", headers=CHUNKED), sent)
    assert LARGEST_BYTES < int(answer.body) <= LARGEST_BYTES + len(PART)
    assert answer.taken_count == len(sent.parts)
    assert CLOSE not in answer.headers


def test_a_body_with_a_too_large_content_length_is_not_read(app: Flask) -> None:
    with adapter_to(app) as adapter:
        scope = Scope("POST", "/size", headers=length(DISCARDED_BYTES + 1))
        answer = serve(adapter, scope, Protocol([PART]))
    assert answer.taken_count == 0
    assert CLOSE in answer.headers


def test_an_endless_body_is_cut_and_its_connection_closed(app: Flask) -> None:
    sent = Protocol([PART] * (2 * DISCARDED_BYTES // len(PART)))
    with adapter_to(app) as adapter:
        answer = serve(adapter, Scope("POST", "/size", headers=CHUNKED), sent)
    assert answer.taken_count == DISCARDED_BYTES // len(PART) + 1
    assert CLOSE in answer.headers


def test_a_late_body_is_a_408_for_its_route_and_closes_the_connection(app: Flask) -> None:
    with adapter_to(app, deadline_s=0.05) as adapter:
        scope = Scope("POST", "/size", headers=length(99))
        answer = serve(adapter, scope, Protocol([b"x"], is_late=True))
    assert (answer.status, answer.body) == (408, b"request_timeout")
    assert CLOSE in answer.headers


def test_a_worker_with_a_full_queue_answers_503_at_once(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter_module, "QUEUED_COUNT", -1)
    with adapter_to(app) as adapter:
        answer = serve(adapter, Scope(path="/whole"))
    assert (answer.status, answer.body) == (503, b"")
    for header in (
        CLOSE,
        ("Retry-After", "1"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ):
        assert header in answer.headers


def test_a_draining_worker_closes_connections(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter_module, "is_draining", lambda: True)
    with adapter_to(app) as adapter:
        assert CLOSE in serve(adapter, Scope(path="/whole")).headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("HEAD", "/whole", 200), ("HEAD", "/streamed", 200)]
    + [("GET", f"/empty/{status}", status) for status in (204, 304)],
)
def test_an_answer_without_a_body_is_sent_without_one(
    app: Flask, method: str, path: str, status: int
) -> None:
    with adapter_to(app) as adapter:
        answer = serve(adapter, Scope(method, path))
    assert (answer.status, answer.body) == (status, b"")


def test_an_answer_of_unknown_length_is_streamed(app: Flask) -> None:
    with adapter_to(app) as adapter:
        answer = serve(adapter, Scope(path="/streamed"))
    assert (answer.status, answer.body) == (200, b"one two")


def test_a_compressed_answer_of_unknown_length_is_streamed(app: Flask) -> None:
    @app.after_request
    def pack(answer: Response) -> Response:
        compress(answer, "gzip")
        return answer

    with adapter_to(app) as adapter:
        answer = serve(adapter, Scope(path="/streamed"))
    assert gzip.decompress(answer.body) == b"one two"
    assert ("Content-Encoding", "gzip") in answer.headers


def test_a_failing_application_loses_its_answer_but_no_thread() -> None:
    def fail(_environ: Any, _start: Any) -> Iterable[bytes]:
        raise RuntimeError("on purpose")

    with adapter_to(fail) as adapter:
        for _ in range(3):  # more than there are threads
            assert serve(adapter, Scope()).status == 0  # Granian then answers 500


def test_an_answer_is_closed_even_if_its_chunks_fail() -> None:
    closed = []

    class Broken:
        def __iter__(self) -> Any:
            raise RuntimeError("on purpose")

        def close(self) -> None:
            closed.append(1)

    def app(_environ: Any, start: Any) -> Any:
        start("200 OK", [("Content-Length", "1")])
        return Broken()

    with adapter_to(app) as adapter:
        serve(adapter, Scope())
    assert closed == [1]
