"""Clients that send their body slowly to Granian, the only server that bounds bodies."""

import json
import socket
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPResponse
from threading import Event
from urllib.parse import urlsplit

import pytest
from flask import Flask

from app.backends.time_limits import budget_s
from tests.callers import LIST, Caller, new_caller
from tests.servers import RunningService
from tests.turns import body

DEADLINE_S = 3
# Sending stops before the answer is due, or a reset could arrive before it.
SENT_WITHIN_S = DEADLINE_S - 0.5
# Detects a hang on any machine; and a bound of the long form, which runs alone.
ANSWERED_WITHIN_S = [20, pytest.param(DEADLINE_S + 1.5, marks=pytest.mark.long)]
PAUSE_S = 0.1
TIMEOUT_MS = 1_500


Serve = Callable[..., tuple[RunningService, Flask]]


@pytest.fixture
def service_and_caller(
    serve: Serve,
) -> tuple[RunningService, Caller]:
    return started(serve, DEADLINE_S)


def started(serve: Serve, deadline_s: int) -> tuple[RunningService, Caller]:
    service, app = serve(
        workers_count=1, REQUEST_DEADLINE_S=str(deadline_s), MONGODB_TIMEOUT_MS=str(TIMEOUT_MS)
    )
    return service, new_caller(app)


def trickle(
    service: RunningService, caller: Caller, pieces: list[bytes], pause_s: float, *more: bytes
) -> tuple[int, dict[str, object], float]:
    """Send a recording in pieces; return status and body of the answer, and the seconds."""
    address = urlsplit(service.base_url)
    head = [
        *(b"POST %s HTTP/1.1" % LIST.encode(), b"Host: a", b"Content-Type: application/json"),
        *(b"Authorization: Bearer %s" % caller.token.encode(), *more),
    ]
    began_s = time.monotonic()
    connected = socket.create_connection((address.hostname, address.port), timeout=30)
    with closing(connected) as connection:
        connection.sendall(b"\r\n".join(head) + b"\r\n\r\n")
        for piece in pieces:
            connection.sendall(piece)
            Event().wait(pause_s)
            if time.monotonic() - began_s > SENT_WITHIN_S:
                break
        response = HTTPResponse(connection)
        response.begin()
        payload = json.loads(response.read())
        return response.status, payload, time.monotonic() - began_s


def length(payload: bytes) -> bytes:
    return b"Content-Length: %d" % len(payload)


@pytest.mark.parametrize("within_s", ANSWERED_WITHIN_S)
def test_a_slow_body_is_refused_at_the_deadline(
    service_and_caller: tuple[RunningService, Caller], within_s: float
) -> None:
    service, caller = service_and_caller
    payload = json.dumps(body()).encode()
    pieces = [payload[index : index + 1] for index in range(len(payload))]
    status, payload, took_s = trickle(service, caller, pieces, PAUSE_S, length(payload))
    assert (status, payload["error"]["code"]) == (408, "request_timeout")  # type: ignore[index]
    assert DEADLINE_S <= took_s <= within_s
    assert caller.rows_count() == 0


@pytest.mark.parametrize("within_s", ANSWERED_WITHIN_S)
def test_a_chunked_body_that_stops_is_refused_at_the_deadline(
    service_and_caller: tuple[RunningService, Caller], within_s: float
) -> None:
    service, caller = service_and_caller
    pieces = [b'5\r\n{"a":\r\n'] + [b""] * 100
    status, payload, took_s = trickle(
        service, caller, pieces, PAUSE_S, b"Transfer-Encoding: chunked"
    )
    assert (status, payload["error"]["code"]) == (408, "request_timeout")  # type: ignore[index]
    assert took_s <= within_s


def test_the_time_of_a_body_does_not_reduce_the_time_of_the_stores(serve: Serve) -> None:
    service, caller = started(serve, deadline_s=30)
    payload = json.dumps(body()).encode()
    half = len(payload) // 2
    pieces = [payload[:half], payload[half:]]
    # The second half is sent after the time limit of the stores.
    pause_s = budget_s(TIMEOUT_MS) + 0.3
    status, _, _ = trickle(service, caller, pieces, pause_s, length(payload))
    assert status == 201
    assert caller.rows_count() == 1
