"""Run hostile clients: slow, silent, never reading, or far too many. All close in the end."""

import itertools
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread
from urllib.parse import urlsplit

from tests.servers import RunningService

PACE_S = 0.1
DESCRIPTORS_COUNT = 16_000
UNREAD_REQUESTS_COUNT = 100
FLOOD_PER_S = 500
# So small that a long answer stays in the server.
SMALL_BYTES = 4_096

Hostile = Callable[[RunningService, str], Iterator[None]]


def head_of(method: str, path: str, token: str, *more: str) -> bytes:
    """Return the request line and headers, without the final empty line."""
    key = [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *key, *more, ""]).encode()


@contextmanager
def slow_headers(service: RunningService, token: str, count: int = 64) -> Iterator[None]:
    """Send one more byte of each client's headers from time to time."""
    with _trickling(service, head_of("GET", "/v1/me", token, "X-Slow: a")[:-2], count):
        yield


@contextmanager
def slow_bodies(service: RunningService, token: str, count: int = 64) -> Iterator[None]:
    """Send one more byte of each client's body from time to time."""
    kind, length = "Content-Type: application/json", "Content-Length: 5000"
    with _trickling(service, head_of("POST", "/v1/turns", token, kind, length) + b"\r\n{", count):
        yield


@contextmanager
def never_reading(service: RunningService, token: str, count: int = 64) -> Iterator[None]:
    """Send many pipelined requests for a long answer, and read nothing."""
    request = head_of("GET", "/openapi.json", token) + b"\r\n"
    with connections(service, count) as opened:
        for each in opened:
            with suppress(OSError):
                each.send(request * UNREAD_REQUESTS_COUNT)
        yield


@contextmanager
def silent(service: RunningService, _token: str, count: int = 5_000) -> Iterator[None]:
    """Connect and send nothing."""
    with connections(service, count):
        yield


@contextmanager
def flood(service: RunningService, _token: str, count: int = 5_000) -> Iterator[None]:
    """Open connections at a fixed rate; close each when its turn comes again."""
    is_over = Event()

    def run() -> None:
        with connections(service, 0) as opened:
            for _ in range(count):
                if is_over.wait(1 / FLOOD_PER_S):
                    return
                opened.append(_connected(service))
                if len(opened) > FLOOD_PER_S:
                    opened.pop(0).close()

    with _beside(run, is_over):
        yield


@contextmanager
def connections(service: RunningService, count: int) -> Iterator[list[socket.socket]]:
    """Yield `count` non-blocking connections; close all with the block."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS_COUNT, hard), hard))
    opened: list[socket.socket] = []
    try:
        opened.extend(_connected(service) for _ in range(count))
        yield opened
    finally:
        for each in opened:
            each.close()


@contextmanager
def _trickling(service: RunningService, head: bytes, count: int) -> Iterator[None]:
    is_over = Event()
    with connections(service, count) as opened:
        for each in opened:
            each.settimeout(10)
            each.sendall(head)
            each.settimeout(0)

        def run() -> None:
            for each in itertools.cycle(opened):
                if is_over.wait(PACE_S / count):
                    return
                with suppress(OSError):  # the service has closed it
                    each.send(b"a")

        with _beside(run, is_over):
            yield


@contextmanager
def _beside(run: Callable[[], None], is_over: Event) -> Iterator[None]:
    thread = Thread(target=run)
    with ExitStack() as stack:
        thread.start()
        stack.callback(thread.join)
        stack.callback(is_over.set)
        yield


def _connected(service: RunningService) -> socket.socket:
    address = urlsplit(service.base_url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
    connection.settimeout(0)
    with suppress(BlockingIOError):
        connection.connect((address.hostname, address.port))
    return connection
