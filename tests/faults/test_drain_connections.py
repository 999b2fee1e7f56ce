"""Requests in any state at SIGTERM: none delays the end of either server for long."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from tests import plain_http
from tests.callers import LIST, Caller, new_caller
from tests.faults.kit.draining import DRAIN_S, assert_it_ended, draining_service, end, readiness
from tests.faults.kit.site import Site
from tests.faults.kit.workers import is_running
from tests.servers import RunningService, ServerKind, wait_until
from tests.turns import body

# Workers receive the order to end one after the other; shorter than a slow body.
REFUSED_WITHIN_S = 2
# gunicorn has no time limit for headers and bodies, so it waits until its own deadline.
QUICK = {
    "GUNICORN_CMD_ARGS": "--graceful-timeout 5",
    "WEB_KEEPALIVE_S": "5",
    "REQUEST_DEADLINE_S": "3",
    "MONGODB_TIMEOUT_MS": "2000",
}
# Platforms then send SIGKILL.
KILLED_AFTER_S = 30
IDLE = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


def address_of(service: RunningService) -> tuple[str | None, int | None]:
    address = urlsplit(service.base_url)
    return address.hostname, address.port


def head_of(caller: Caller, text: bytes) -> bytes:
    key = caller.headers["Authorization"]
    lines = [f"POST {LIST} HTTP/1.1", "Host: a", f"Authorization: {key}"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(text)}", "", ""]
    return "\r\n".join(lines).encode()


def test_a_silent_or_stalled_client_does_not_delay_the_end(
    site: Site, kind: ServerKind, tmp_path: Path, report_figures: Callable[..., None]
) -> None:
    stalled = head_of(new_caller(site.app), b"x" * 99) + b"x"
    service_log = tmp_path / "service.log"
    with ExitStack() as stack, draining_service(site, kind, service_log, **QUICK) as service:
        for sent in (b"", stalled[:40], stalled, IDLE):
            connection = socket.create_connection(address_of(service), timeout=30)
            stack.enter_context(connection).sendall(sent)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        began_s = end(service)
        assert plain_http.get(f"{service.base_url}/healthz").status_code == 200
    report_figures(exit_s=assert_it_ended(service, began_s))


@pytest.mark.long
def test_a_client_stalled_in_its_headers_does_not_delay_the_end_beyond_a_platforms_wait(
    site: Site, kind: ServerKind, tmp_path: Path
) -> None:
    log = tmp_path / "service.log"
    with ExitStack() as stack, draining_service(site, kind, log, WEB_KEEPALIVE_S="60") as service:
        connection = stack.enter_context(socket.create_connection(address_of(service)))
        connection.sendall(b"GET /v1")
        wait_until(lambda: readiness(service) == (200, "ready"))
        began_s = end(service)
        wait_until(lambda: not is_running(service.process_id), KILLED_AFTER_S)
    assert time.monotonic() - began_s < KILLED_AFTER_S


def test_after_draining_new_clients_are_refused_while_a_request_is_in_flight(
    site: Site, kind: ServerKind, tmp_path: Path
) -> None:
    text = orjson.dumps(body())
    with draining_service(site, kind, tmp_path / "service.log", 2) as service:
        where = address_of(service)
        with socket.create_connection(where, timeout=30) as slow:
            slow.sendall(head_of(new_caller(site.app), text) + text[:10])
            wait_until(lambda: readiness(service) == (200, "ready"))
            began_s = end(service)
            wait_until(lambda: is_refused(where), DRAIN_S + REFUSED_WITHIN_S)
            assert time.monotonic() - began_s >= DRAIN_S
            slow.sendall(text[10:])
            assert slow.recv(65_536).startswith(b"HTTP/1.1 201")
    assert_it_ended(service, began_s)


def is_refused(where: tuple[str | None, int | None]) -> bool:
    """Return True if the port is closed; otherwise check that the server answers."""
    try:
        connection = socket.create_connection(where, timeout=30)
    except ConnectionRefusedError:
        return True
    with connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        # A connection may still arrive between the last check and the close of the socket.
        with suppress(ConnectionResetError):
            assert connection.recv(65_536).startswith(b"HTTP/1.1 ")
    return False
