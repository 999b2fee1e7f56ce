"""The proxy of the fault tests causes the faults that are set, and none otherwise."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Thread

import pytest

from tests.faults.kit.proxy import Fault, Proxy, proxy_to
from tests.servers import wait_until

TIMEOUT_S = 5


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """Yield a server that echoes what it receives."""
    threads = []

    def answer(connection: socket.socket) -> None:
        with closing(connection):
            try:
                while heard := connection.recv(65_536):
                    connection.sendall(heard)
            except OSError:
                return

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(Thread(target=answer, args=[connection], daemon=True))
            threads[-1].start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        server = Thread(target=serve, daemon=True)
        server.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)
    server.join(TIMEOUT_S)


@pytest.fixture
def proxy(echo: tuple[str, int]) -> Iterator[Proxy]:
    with proxy_to(*echo) as running:
        yield running


@contextmanager
def connected(proxy: Proxy) -> Iterator[socket.socket]:
    address = ("127.0.0.1", proxy.port)
    with closing(socket.create_connection(address, timeout=TIMEOUT_S)) as connection:
        yield connection


def heard(connection: socket.socket, said: bytes) -> bytes:
    """Return the data received until the connection ends."""
    connection.sendall(said)
    received = b""
    while len(received) < len(said) and (piece := connection.recv(65_536)):
        received += piece
    return received


def test_it_forwards_everything_and_counts(proxy: Proxy) -> None:
    for _ in range(3):
        with connected(proxy) as connection:
            assert heard(connection, b"x" * 200_000) == b"x" * 200_000
    assert proxy.connections_count == 3
    assert proxy.request_bytes == proxy.reply_bytes == 600_000
    assert proxy.broken_count == 0


def test_it_refuses_and_then_accepts_connections_on_its_port(proxy: Proxy) -> None:
    for _ in range(3):
        with connected(proxy) as before:
            assert heard(before, b"hello") == b"hello"
            proxy.set(Fault.REFUSE)
            with pytest.raises(ConnectionRefusedError), connected(proxy):
                pass
            with pytest.raises(ConnectionError):
                before.recv(1)
        proxy.set(Fault.NONE)
        with connected(proxy) as after:
            assert heard(after, b"hello") == b"hello"


def test_it_hangs_and_drops_the_data_of_that_time(proxy: Proxy) -> None:
    proxy.set(Fault.HANG)
    with connected(proxy) as connection:
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            heard(connection, b"swallowed")
        connection.settimeout(TIMEOUT_S)
        proxy.set(Fault.NONE)
        with pytest.raises(ConnectionError):
            connection.recv(1)
    assert proxy.reply_bytes == proxy.request_bytes == 0
    with connected(proxy) as connection:
        assert heard(connection, b"hello") == b"hello"


def test_it_answers_late(proxy: Proxy) -> None:
    proxy.set(Fault.DELAY, 80)
    with connected(proxy) as connection:
        started_at = time.monotonic()
        assert heard(connection, b"hello") == b"hello"
        assert time.monotonic() - started_at >= 0.08


@pytest.mark.parametrize(
    ("fault", "amount", "left"),
    [(Fault.CUT, 0, b""), (Fault.CUT, 3, b"hel"), (Fault.HALF, 0, b"hello")],
)
def test_a_reply_ends_early(proxy: Proxy, fault: Fault, amount: int, left: bytes) -> None:
    proxy.set(fault, amount)
    with connected(proxy) as connection:
        assert heard(connection, b"helloworld") == left
        assert connection.recv(1) == b""
    assert proxy.request_bytes == 10


@pytest.mark.parametrize("amount", [0, 3])
def test_a_reply_is_reset(proxy: Proxy, amount: int) -> None:
    proxy.set(Fault.RESET, amount)
    with connected(proxy) as connection, pytest.raises(ConnectionResetError):
        heard(connection, b"helloworld")


def test_only_every_third_reply_is_broken(proxy: Proxy) -> None:
    proxy.set(Fault.CUT, every=3)
    received = []
    for _ in range(9):
        with connected(proxy) as connection:
            received.append(heard(connection, b"hello"))
    assert received == [b"hello", b"hello", b""] * 3
    assert (proxy.replies_count, proxy.broken_count) == (9, 3)


def test_connections_to_an_absent_server_are_reset() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        address = gone.getsockname()
    with (
        proxy_to(*address) as proxy,
        pytest.raises(ConnectionError),
        connected(proxy) as connection,
    ):
        heard(connection, b"hello")


def test_no_thread_or_socket_is_left_when_it_is_closed(echo: tuple[str, int]) -> None:
    with proxy_to(*echo) as proxy, connected(proxy) as connection:
        assert heard(connection, b"hello") == b"hello"
    assert wait_until(lambda: not any(thread.is_alive() for thread in proxy._threads))
    assert proxy._open == set()
    with pytest.raises(ConnectionRefusedError), connected(proxy):
        pass
