"""Hostile clients are as many as their kind says, reconnect, and leave nothing behind."""

import asyncio
import resource
from collections.abc import Callable

import pytest

from bench import hostile_clients as hostile
from bench.hostile_clients import KINDS, HostileClients, Kind, act, allow_descriptors
from bench.neighbours import require_all, sample_of
from bench.openloop import TIMEOUT_S, Answers

WITHIN_S = 5.0


class Server:
    """A server that records what it receives; `sends_away` closes each connection at once."""

    def __init__(self, *, sends_away: bool = False) -> None:
        self.sends_away = sends_away
        self.received: list[bytes] = []
        self.open_count = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_count += 1
        try:
            while not self.sends_away and (data := await reader.read(65_536)):
                self.received.append(data)
        except ConnectionResetError:
            pass
        finally:
            self.open_count -= 1
            writer.close()


async def acted(
    kind: Kind, serve: Server, is_enough: Callable[[HostileClients], bool]
) -> HostileClients:
    """Keep clients before `serve` until it is enough; check that no connection is left."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    clients = HostileClients(server.sockets[0].getsockname(), "Bearer key", kind.count)
    async with server, asyncio.timeout(WITHIN_S):
        await act(clients, kind, lambda: _until(lambda: is_enough(clients)))
        await _until(lambda: serve.open_count == 0)
    return clients


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostile, "PAUSE_S", 0.01)
    monkeypatch.setattr(hostile, "SETTLE_S", 0.01)
    monkeypatch.setattr(hostile, "FLOOD_OPEN_S", 0.01)


@pytest.mark.slow  # it waits for seconds
@pytest.mark.parametrize(
    ("member", "beginning", "repeated"),
    [
        (
            hostile.slow_headers,
            b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n",
            b"X-Slow: 1\r\n",
        ),
        (hostile.slow_body, b"POST /v1/interactions HTTP/1.1\r\n", b" "),
        (hostile.unread, b"GET /v1/interactions HTTP/1.1\r\n", b"\r\n\r\nGET "),
    ],
)
def test_members_begin_a_request_and_go_on_with_it(
    member: hostile.Member, beginning: bytes, repeated: bytes
) -> None:
    serve = Server()
    kind = Kind(1, member)
    asyncio.run(acted(kind, serve, lambda _clients: len(b"".join(serve.received)) > 300))
    received = b"".join(serve.received)
    assert received.startswith(beginning)
    assert repeated in received
    if member is hostile.slow_headers:
        assert b"\r\n\r\n" not in received


def test_silent_members_send_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    serve = Server()
    kind = Kind(20, hostile.silent)
    clients = asyncio.run(acted(kind, serve, lambda _clients: serve.open_count == 20))
    assert (clients.opened_count, clients.failed_count, serve.received) == (20, 0, [])
    assert capfd.readouterr().out == "ready\n"


def test_members_that_are_sent_away_come_back() -> None:
    kind = Kind(2, hostile.slow_headers)
    serve = Server(sends_away=True)
    clients = asyncio.run(acted(kind, serve, lambda clients: clients.opened_count > 6))
    assert clients.opened_count > 6


def test_a_flood_goes_on_whatever_becomes_of_those_before() -> None:
    kind = Kind(10, hostile.passing, per_s=200)
    clients = asyncio.run(acted(kind, Server(), lambda clients: clients.opened_count >= 30))
    assert clients.opened_count >= 30


@pytest.mark.slow  # it waits for seconds
def test_clients_that_never_connect_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostile, "MOST_S", 2.0)
    clients = HostileClients(("127.0.0.1", 1), "", 3)  # nobody listens there
    asyncio.run(act(clients, Kind(3, hostile.silent), lambda: _until(lambda: False)))
    assert clients.opened_count == 0
    assert clients.failed_count >= 3


def test_too_few_clients_are_no_figure() -> None:
    require_all("5,000 silent", {"opened": 5_000, "failed": 2})
    with pytest.raises(AssertionError, match="only 4999 connections, 2 failed"):
        require_all("5,000 silent", {"opened": 4_999, "failed": 2})


def test_a_request_that_gave_up_counts_as_long_as_it_waited() -> None:
    found = sample_of(Answers(1, took_s=[0.002] * 98), 100)
    assert found.figure == TIMEOUT_S * 1_000
    assert found.beside == {"p50_ms": 2, "given_up": 2}
    assert sample_of(Answers(1, took_s=[0.002] * 99 + [0.9]), 100).figure == 2


def test_a_calm_client_that_is_refused_is_no_figure() -> None:
    with pytest.raises(AssertionError, match="1 requests of the calm client were refused"):
        sample_of(Answers(1, took_s=[0.002] * 99, refused_count=1), 100)


def test_hostile_clients_are_bounded() -> None:
    assert max(kind.count for kind in KINDS.values()) == 5_000
    assert hostile.MOST_S <= 60


def test_descriptors_are_raised_only_where_they_do_not_suffice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed = []
    monkeypatch.setattr(resource, "getrlimit", lambda _name: (1_024, 4_096))
    monkeypatch.setattr(resource, "setrlimit", lambda _name, limits: changed.append(limits))
    for count in (1_024, 2_000, 9_000):
        allow_descriptors(count)
    assert changed == [(2_000, 4_096), (4_096, 4_096)]
