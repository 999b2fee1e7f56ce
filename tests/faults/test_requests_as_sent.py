"""Raw requests on both servers: no secret in the log, no header imitates the server's."""

import socket
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest

from tests.servers import RunningService, ServerKind

SECRET = "uniq_live_0123456789abcdefghijklmnop"
ASKED = "GET /v1/me HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"


def send(service: RunningService, request_text: str) -> str:
    """Return the answer to raw bytes, read until the service closes."""
    address = urlsplit(service.base_url)
    where = address.hostname, address.port
    with closing(socket.create_connection(where, timeout=30)) as connection:
        connection.sendall(request_text.encode())
        return b"".join(iter(lambda: connection.recv(65_536), b"")).decode()


@pytest.mark.parametrize(
    "request_text",
    [
        f"GET /v1/me HTTP/1.1\r\nHost: a\r\nAuthorization Bearer {SECRET}\r\n\r\n",
        f"GET /v1/me HTTP/1.1\r\nHost: a\r\n{SECRET} : x\r\n\r\n",
        f"GET /v1/me {SECRET}\r\nHost: a\r\n\r\n",
        f"{SECRET}\r\n\r\n",
    ],
)
def test_a_key_in_a_malformed_request_is_not_logged(
    shared_service: RunningService, request_text: str
) -> None:
    assert send(shared_service, request_text).startswith("HTTP/1.1 400 ")
    assert SECRET not in shared_service.log.read_text()


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "SCRIPT-NAME", "REMOTE_ADDR"])
def test_no_header_sets_a_variable_of_the_server(shared_service: RunningService, name: str) -> None:
    request_text = f"GET /healthz HTTP/1.1\r\nHost: a\r\n{name}: /x\r\nConnection: close\r\n\r\n"
    assert send(shared_service, request_text).startswith("HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["/healthz", "/v1/me", "/nowhere", "/docs"])
def test_every_answer_has_one_date(shared_service: RunningService, path: str) -> None:
    answer = send(shared_service, ASKED.replace("/v1/me", path) + "\r\n")
    head = answer.partition("\r\n\r\n")[0].lower()
    dates = [line.removeprefix("date: ") for line in head.split("\r\n") if line.startswith("date:")]
    (date,) = dates
    assert abs(parsedate_to_datetime(date) - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_name_with_an_underscore_does_not_imitate_a_header_of_the_proxy(
    start_service: Callable[..., RunningService], kind: ServerKind
) -> None:
    service = start_service(
        kind=kind, workers_count=1, IP_LIMIT="1 per hour", TRUSTED_PROXY_HOPS="1"
    )

    def ask(address: str, posed: str) -> str:
        headers = f"X-Forwarded-For: {address}\r\nX_Forwarded_For: {posed}\r\n"
        return send(service, f"{ASKED}{headers}\r\n")[:12]

    assert ask("192.0.2.7", "203.0.113.1") == "HTTP/1.1 401"
    assert ask("192.0.2.7", "203.0.113.2") == "HTTP/1.1 429"
    assert ask("192.0.2.8", "203.0.113.2") == "HTTP/1.1 401"


def header_of(answer: str, name: str) -> str:
    head = answer.partition("\r\n\r\n")[0].split("\r\n")[1:]
    return dict(line.lower().split(": ", 1) for line in head)[name]


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (f"{ASKED}\r\n", 401),
        (ASKED.replace("/v1/me", "/none") + "\r\n", 404),
        (ASKED.replace("GET", "DELETE") + "\r\n", 405),
        (ASKED.replace("GET /v1/me", "POST /v1/interactions") + "Content-Length: 0\r\n\r\n", 401),
    ],
)
def test_every_request_that_reaches_the_application_has_a_request_id_and_an_error(
    shared_service: RunningService, request_text: str, status: int
) -> None:
    answer = send(shared_service, request_text)
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert len(header_of(answer, "x-request-id")) == 26
    assert header_of(answer, "connection") == "close"
    assert '"error":{"code":' in answer
