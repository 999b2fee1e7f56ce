"""Keep-alive is never false: a connection that is kept serves the next request."""

import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest

from tests import plain_http
from tests.callers import LIST, Caller, app_beside, new_caller
from tests.faults.kit.frontend import frontend
from tests.servers import RunningService
from tests.turns import body

KIB = 1_024
PAIRS_COUNT = 100
STRANGERS_COUNT = 2
BAD_KEY = "uniq_live_0000000000000000000000000000000000000000000000"
JSON = "Content-Type: application/json"
# Answer, request line, headers, and how long a body stays unread.
CASES = [
    (400, "POST", LIST, (JSON,), 70 * KIB),
    (400, "POST", f"{LIST}?a=b", (JSON,), 70 * KIB),
    (401, "POST", LIST, (JSON, f"Authorization: Bearer {BAD_KEY}"), 70 * KIB),
    (401, "GET", "/v1/me", (f"Authorization: Bearer {BAD_KEY}",), 70 * KIB),
    (401, "POST", LIST, (JSON, "Authorization: none"), 5_000 * KIB),
    (404, "POST", "/nowhere", (JSON,), 70 * KIB),
    (405, "PUT", LIST, (JSON,), 70 * KIB),
    (413, "POST", LIST, (JSON,), 300 * KIB),
    (413, "POST", LIST, (JSON,), 3_000 * KIB),
    (413, "POST", LIST, (JSON,), 9_000 * KIB),
    (415, "POST", LIST, ("Content-Type: text/plain",), 70 * KIB),
    (200, "GET", "/healthz", (), 70 * KIB),
]


@pytest.fixture(scope="module")
def caller(shared_service: RunningService) -> Iterator[Caller]:
    with app_beside(shared_service) as app:
        yield new_caller(app)


def connected(service: RunningService) -> socket.socket:
    address = urlsplit(service.base_url)
    return socket.create_connection((address.hostname, address.port), timeout=30)


def head_of(caller: Caller, method: str, path: str, headers: tuple[str, ...]) -> bytes:
    own = any(header.startswith("Authorization") for header in headers)
    key = () if own else (f"Authorization: Bearer {caller.token}",)
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *key, *headers, ""]).encode()


def assert_truly_kept_or_closed(connection: socket.socket, status: int) -> None:
    """Read the answer; a connection without `close` must serve another request."""
    answer = HTTPResponse(connection)
    answer.begin()
    answer.read()
    assert answer.status == status
    if not answer.will_close:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        following = HTTPResponse(connection)
        following.begin()
        assert following.status == 200


@pytest.mark.parametrize(("status", "method", "path", "headers", "length"), CASES)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_an_unread_body_is_never_read_as_the_next_request(
    shared_service: RunningService,
    caller: Caller,
    status: int,
    method: str,
    path: str,
    headers: tuple[str, ...],
    length: int,
    is_chunked: bool,
) -> None:
    text = b"x" * length
    framing, payload = b"Content-Length: %d\r\n\r\n" % length, text
    if is_chunked:
        framing, payload = (
            b"Transfer-Encoding: chunked\r\n\r\n",
            b"%x\r\n%s\r\n0\r\n\r\n" % (length, text),
        )
    with closing(connected(shared_service)) as connection:
        request = head_of(caller, method, path, headers) + framing + payload

        def send() -> None:
            try:
                connection.sendall(request)
            except OSError:
                return  # it was refused in the middle of a long body

        sender = Thread(target=send)
        sender.start()
        assert_truly_kept_or_closed(connection, status)
        sender.join()


def test_a_body_that_arrives_after_its_headers_is_never_read_as_the_next_request(
    shared_service: RunningService, caller: Caller
) -> None:
    headers = (JSON, f"Authorization: Bearer {BAD_KEY}", f"Content-Length: {70 * KIB}")
    with closing(connected(shared_service)) as connection:
        connection.sendall(head_of(caller, "POST", LIST, headers) + b"\r\n")
        Event().wait(0.2)  # gunicorn has answered by then, Granian awaits the body
        connection.sendall(b"x" * 70 * KIB)
        assert_truly_kept_or_closed(connection, 401)


def test_a_hostile_client_loses_no_request_of_others_behind_a_proxy(
    shared_service: RunningService, caller: Caller, tmp_path: Path
) -> None:
    is_over = Event()

    def annoy(base_url: str) -> None:
        with plain_http.Client(base_url=base_url, timeout=30) as client:
            while not is_over.is_set():
                key = {"Authorization": f"Bearer {BAD_KEY}", "Content-Type": "application/json"}
                client.post(LIST, content=b"x" * 70 * KIB, headers=key)

    with frontend(shared_service, tmp_path / "frontend") as base_url:
        strangers = [Thread(target=annoy, args=[base_url]) for _ in range(STRANGERS_COUNT)]
        for stranger in strangers:
            stranger.start()
        try:
            with plain_http.Client(base_url=base_url, headers=caller.headers, timeout=30) as client:
                statuses = [client.post(LIST, json=body()).status_code for _ in range(PAIRS_COUNT)]
        finally:
            is_over.set()
            for stranger in strangers:
                stranger.join()
    assert statuses == [201] * PAIRS_COUNT
