"""SIGTERM: whoever looks at `/readyz` or minds `Connection: close` notices nothing."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from tests.callers import LIST, Caller, hire
from tests.faults.kit.processes import frozen
from tests.faults.kit.site import Site, running_site
from tests.servers import RunningService, running_service, wait_until
from tests.turns import body

ROUNDS_COUNT = 3
LONG_ROUNDS_COUNT = 10
CLIENTS_COUNT = 6
DRAIN_S = 3
# Far more than a drain and a linger, and less than it takes gunicorn to kill who holds it up.
EXIT_WITHIN_S = 20
# As late as a balancer may look.
LOOKED_AT_AFTER_S = 0.25
# Workers hear of the end one after the other; less than a slow body may take.
REFUSED_WITHIN_S = 2
# In flight for so long when SIGTERM comes; less than a request may wait for MongoDB.
IN_FLIGHT_S = 0.5


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Stores, and a service that is not the one to be ended."""
    with running_site(tmp_path_factory.mktemp("site"), workers_count=1) as running:
        yield running


@dataclass
class Client:
    """Records turns one after the other, until a balancer would stop sending to this service."""

    service: RunningService
    caller: Caller
    is_drained: Event
    answers: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    closed_count: int = 0

    def run(self) -> None:
        with httpx.Client(headers=self.caller.headers, timeout=30) as http:
            while not self.is_drained.is_set():
                try:
                    answer = http.post(self.service.base_url + LIST, json=body())
                except httpx.TransportError as failure:
                    self.failures.append(repr(failure))
                    return
                self.answers.append(answer.status_code)
                self.closed_count += answer.headers.get("connection") == "close"


@pytest.mark.parametrize(
    "rounds_count", [ROUNDS_COUNT, pytest.param(LONG_ROUNDS_COUNT, marks=pytest.mark.long)]
)
def test_nobody_who_looks_loses_a_request(
    site: Site, tmp_path: Path, rounds_count: int, tell_figures: Callable[..., None]
) -> None:
    exits_s, recorded_count = [], 0
    for round_ in range(rounds_count):
        caller, is_drained = hire(site.app), Event()
        with started(site, tmp_path / f"{round_}.log") as service:
            clients = [Client(service, caller, is_drained) for _ in range(CLIENTS_COUNT)]
            threads = [Thread(target=client.run) for client in clients]
            for thread in threads:
                thread.start()
            wait_until(lambda clients=clients: all(len(client.answers) >= 5 for client in clients))
            with frozen(site.mongod.process.pid):
                Event().wait(0.1)  # until every client has a request in flight
                before = [len(client.answers) for client in clients]
                began_s = end(service)
                wait_until(lambda service=service: readiness(service) == (503, "draining"))
                Event().wait(IN_FLIGHT_S)
            # Each is told to go elsewhere, and goes on until the balancer has looked.
            wait_until(lambda clients=clients: all(client.closed_count for client in clients))
            Event().wait(LOOKED_AT_AFTER_S)
            is_drained.set()
            for thread in threads:
                thread.join(30)
        assert_everything_was_answered(site, caller, clients, before)
        exits_s.append(assert_it_ended(service, began_s))
        recorded_count += caller.rows_count()
    tell_figures(exits_s=exits_s, recorded=recorded_count)


def test_who_is_connected_and_silent_holds_nobody_up(
    site: Site, tmp_path: Path, tell_figures: Callable[..., None]
) -> None:
    with ExitStack() as stack, started(site, tmp_path / "gunicorn.log") as service:
        address = urlsplit(service.base_url)
        _silent, idle = [
            stack.enter_context(socket.create_connection((address.hostname, address.port)))
            for _ in range(2)
        ]
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle.recv(65_536).startswith(b"HTTP/1.1 200")
        began_s = end(service)
        assert httpx.get(f"{service.base_url}/healthz").status_code == 200
    tell_figures(exit_s=assert_it_ended(service, began_s))


def test_once_drained_newcomers_are_refused_although_a_request_is_in_flight(
    site: Site, tmp_path: Path
) -> None:
    caller, text = hire(site.app), orjson.dumps(body())
    head = (
        f"POST {LIST} HTTP/1.1\r\nHost: a\r\nAuthorization: {caller.headers['Authorization']}\r\n"
    )
    head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    with started(site, tmp_path / "gunicorn.log") as service:
        address = urlsplit(service.base_url)
        where = (address.hostname, address.port)
        with socket.create_connection(where, timeout=30) as slow:
            slow.sendall(head.encode() + text[:10])
            wait_until(lambda: readiness(service) == (200, "ready"))
            began_s = end(service)
            wait_until(lambda: is_refused(where), DRAIN_S + REFUSED_WITHIN_S)
            assert time.monotonic() - began_s >= DRAIN_S
            slow.sendall(text[10:])
            assert slow.recv(65_536).startswith(b"HTTP/1.1 201")
    assert_it_ended(service, began_s)


def is_refused(where: tuple[str | None, int | None]) -> bool:
    """Whether nobody listens; whoever does is asked for an answer, and gives it."""
    try:
        connection = socket.create_connection(where, timeout=30)
    except ConnectionRefusedError:
        return True
    with connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        # One may still slip in between the last look and the close of the socket.
        with suppress(ConnectionResetError):
            assert connection.recv(65_536).startswith(b"HTTP/1.1 ")
    return False


def started(site: Site, log: Path) -> AbstractContextManager[RunningService]:
    # In flight means waiting for a frozen MongoDB, on a slow machine for longer than usual.
    own = {"DRAIN_S": str(DRAIN_S), "MONGODB_TIMEOUT_MS": "8000"}
    return running_service(dict(site.service.environ) | own, log)


def end(service: RunningService) -> float:
    """Ask for the end; when that was."""
    os.kill(service.process_id, signal.SIGTERM)
    return time.monotonic()


def readiness(service: RunningService) -> tuple[int, str]:
    answer = httpx.get(f"{service.base_url}/readyz", timeout=30)
    return answer.status_code, answer.json()["status"]


def assert_everything_was_answered(
    site: Site, caller: Caller, clients: Sequence[Client], before: Sequence[int]
) -> None:
    answers = [status for client in clients for status in client.answers]
    assert [client.failures for client in clients] == [[]] * CLIENTS_COUNT
    assert set(answers) == {201}
    assert all(len(client.answers) > count for client, count in zip(clients, before, strict=True))
    assert all(client.closed_count for client in clients)
    assert caller.rows_count() == len(answers)


def assert_it_ended(service: RunningService, began_s: float) -> float:
    """In time and by itself; after how many seconds."""
    took_s = time.monotonic() - began_s
    assert took_s <= EXIT_WITHIN_S
    assert "Shutting down: Master" in service.log.read_text()
    return round(took_s, 1)
