"""Redis clients: which errors mean an outage, and how a connection is reused."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from threading import Event, Lock, Thread
from typing import Any, cast
from unittest.mock import Mock

import pytest
from redis import exceptions as errors
from redis.exceptions import RedisError
from redis.sentinel import MasterNotFoundError

from app.admission.script import AdmissionScript
from app.backends.breaker import FAILURES_COUNT, Breaker
from app.backends.outages import REDIS_OUTAGES, RedisCircuitOpen
from app.backends.redis_clients import redis_client
from app.backends.redis_cluster import GuardedCluster
from app.backends.redis_guard import is_unavailable
from app.backends.redis_server import GuardedRedis, has_unread_data
from tests.servers import wait_until
from tests.unit.admission.test_fallback import KEY, PRO
from tests.unit.admission.world import RELATIONSHIPS

NO_SERVER = "127.0.0.1:1"
URLS = (
    f"redis://{NO_SERVER}/0",
    f"redis+cluster://{NO_SERVER},127.0.0.1:2",
    f"redis+sentinel://{NO_SERVER}/service/0",
)

Command = Callable[[Any], object]
# One uses the driver's method, two bypass it.
COMMANDS: tuple[Command, ...] = (
    lambda client: client.ping(),
    lambda client: client.evalsha("digest", 0),
    lambda client: client.script_load("return 1"),
)


@pytest.mark.parametrize(
    "error",
    [
        errors.ConnectionError("refused"),
        errors.TimeoutError("frozen"),
        errors.AuthenticationError("wrong password"),
        errors.BusyLoadingError("loading"),
        errors.MaxConnectionsError("too many"),
        errors.OutOfMemoryError("maxmemory"),
        errors.ReadOnlyError("replica"),
        errors.MasterDownError("link down"),
        errors.ClusterDownError("CLUSTERDOWN"),
        errors.TryAgainError("resharding"),
        errors.NoPermissionError("acl"),
        errors.InvalidResponse("garbage"),
        errors.ResponseError("NOREPLICAS Not enough good replicas to write."),
        errors.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        errors.ResponseError("BUSY Valkey is busy running a script."),
        errors.RedisClusterException("Redis Cluster cannot be connected."),
        errors.SlotNotCoveredError("slot"),
        MasterNotFoundError("no master"),
    ],
)
def test_an_outage_of_the_server(error: Exception) -> None:
    assert is_unavailable(error)


@pytest.mark.parametrize(
    "error",
    [
        errors.NoScriptError("No matching script."),
        errors.ResponseError("unknown command 'NONSENSE'"),
        errors.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        errors.ResponseError("user_script:12: attempt to index a nil value script: 4711"),
        errors.ClusterCrossSlotError("Keys in request don't hash to the same slot"),
        errors.CrossSlotTransactionError("slots"),
        errors.DataError("Invalid input of type: 'dict'."),
    ],
)
def test_a_wrong_command_is_no_outage(error: Exception) -> None:
    assert not is_unavailable(error)


@pytest.mark.parametrize("send", COMMANDS, ids=["command", "script", "load"])
@pytest.mark.parametrize("url", URLS)
def test_an_absent_server_raises_the_same_errors_in_every_layout(url: str, send: Command) -> None:
    client = redis_client(url, 50, 32)
    with pytest.raises(REDIS_OUTAGES):
        send(client)
    client.close()


@pytest.mark.parametrize("send", COMMANDS, ids=["command", "script", "load"])
@pytest.mark.parametrize("url", URLS)
def test_nothing_is_sent_after_failures_have_opened_the_breaker(url: str, send: Command) -> None:
    client: GuardedRedis | GuardedCluster = redis_client(url, 50, 32)
    threads: list[Callable[[], None]] = []
    is_checked = Event()

    def pause(_: float) -> None:
        with pytest.raises(RedisCircuitOpen):
            send(client)
        is_checked.set()
        raise InterruptedError  # ends the breaker's loop

    client.breaker = Breaker(
        "redis", client.probe, RedisCircuitOpen, pause=pause, start=threads.append
    )
    for _ in range(FAILURES_COUNT):
        with pytest.raises(RedisError) as caught:
            send(client)
        assert not isinstance(caught.value, RedisCircuitOpen)
    with pytest.raises(InterruptedError):
        threads[0]()
    assert is_checked.is_set()
    with pytest.raises((RedisError, errors.RedisClusterException)) as probed:
        client.probe()
    assert not isinstance(probed.value, RedisCircuitOpen)
    client.close()


class Silent:
    """A server that accepts connections, records requests and replies only when a test says so."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.connections: list[socket.socket] = []
        self._closed: set[int] = set()
        self._lock = Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for connection in self.connections:
            connection.close()

    def answer(self, number: int, reply: bytes) -> None:
        with suppress(OSError):
            self.connections[number].sendall(reply)

    def scripts_count(self, number: int) -> int:
        """Return how many scripts this connection has received; 0 before it exists."""
        return self.received[number].count(b"EVALSHA") if number < len(self.received) else 0

    def is_closed(self, number: int) -> bool:
        """Return True if the client has closed the connection."""
        return number in self._closed

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with self._lock:
                    self.connections.append(connection)
                    self.received.append(b"")
                    number = len(self.received) - 1
                Thread(target=self._read, args=(number,), daemon=True).start()

    def _read(self, number: int) -> None:
        with suppress(OSError):
            while more := self.connections[number].recv(65_536):
                self.received[number] += more
                # The driver sends these when it connects.
                self.connections[number].sendall(b"+OK\r\n" * more.count(b"SETINFO"))
        self._closed.add(number)


@pytest.fixture
def silent() -> Iterator[Silent]:
    with closing(Silent()) as server:
        yield server


def test_a_script_is_sent_once_and_its_connection_is_not_reused(silent: Silent) -> None:
    client = redis_client(silent.url, 100, 32)
    script = AdmissionScript(client, RELATIONSHIPS)  # type: ignore[arg-type] # (the methods used are the same)
    for number in range(3):
        with pytest.raises(errors.TimeoutError):
            script.admit_address(KEY, PRO)
        assert len(silent.received) == number + 1
        # A late reply is discarded, so the next script cannot receive it.
        silent.answer(number, b"*1\r\n:4711\r\n")
    Event().wait(0.3)
    assert [silent.scripts_count(number) for number in range(3)] == [1, 1, 1]
    client.close()


def script_client(silent: Silent) -> GuardedRedis:
    return cast("GuardedRedis", redis_client(silent.url, 5_000, 32))


def run_script(client: GuardedRedis, silent: Silent, number: int) -> None:
    """Run a script that arrives on connection `number`, which answers it."""
    before_count = silent.scripts_count(number)

    def answer() -> None:
        wait_until(lambda: silent.scripts_count(number) > before_count)
        silent.answer(number, b":%d\r\n" % number)

    answering = Thread(target=answer)
    answering.start()
    assert client.evalsha("digest", 1, "key", "argument") == number
    answering.join()


def test_a_connection_is_reused_for_the_next_script(silent: Silent) -> None:
    client = script_client(silent)
    for _ in range(3):
        run_script(client, silent, 0)
    assert len(silent.received) == 1
    client.close()
    wait_until(lambda: silent.is_closed(0))


@pytest.mark.parametrize("unrequested", [b":4711\r\n", None])
def test_a_connection_with_unrequested_data_or_closed_is_not_reused(
    silent: Silent, unrequested: bytes | None
) -> None:
    client = script_client(silent)
    run_script(client, silent, 0)
    if unrequested:
        silent.answer(0, unrequested)
    else:
        silent.connections[0].shutdown(socket.SHUT_WR)
    wait_until(lambda: has_unread_data(client._idle[0]))
    run_script(client, silent, 1)
    assert silent.scripts_count(0) == 1
    client.close()


def test_the_reply_of_an_interrupted_script_is_not_given_to_the_next(
    silent: Silent, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = script_client(silent)
    run_script(client, silent, 0)
    with monkeypatch.context() as patched:
        patched.setattr(client._idle[0], "read_response", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            client.evalsha("digest", 0)
    run_script(client, silent, 1)
    client.close()


def test_a_connection_to_a_previous_master_is_not_reused(silent: Silent) -> None:
    client = script_client(silent)
    run_script(client, silent, 0)
    owns = client.connection_pool.owns_connection
    client.connection_pool.owns_connection = lambda _: False  # as the sentinels' pool answers then
    run_script(client, silent, 1)
    client.connection_pool.owns_connection = owns
    run_script(client, silent, 1)
    assert [silent.scripts_count(number) for number in range(2)] == [1, 2]
    client.close()


def test_a_readonly_reply_leads_to_a_new_connection_every_time(silent: Silent) -> None:
    client = cast("GuardedRedis", redis_client(silent.url, 5_000, 2))
    for number in range(5):  # more often than the pool makes connections

        def answer(number: int = number) -> None:
            wait_until(lambda: silent.scripts_count(number) == 1)
            silent.answer(number, b"-READONLY You can't write against a read only replica.\r\n")

        answering = Thread(target=answer)
        answering.start()
        with pytest.raises(errors.ReadOnlyError):
            client.evalsha("digest", 1, "key", "argument")
        answering.join()
    run_script(client, silent, 5)
    client.close()


def test_concurrent_scripts_have_a_connection_each(silent: Silent) -> None:
    client = script_client(silent)
    replies: list[int] = []
    asking = [Thread(target=lambda: replies.append(client.evalsha("digest", 0))) for _ in range(3)]
    for thread in asking:
        thread.start()
    wait_until(lambda: [silent.scripts_count(number) for number in range(3)] == [1, 1, 1])
    for number in range(3):
        silent.answer(number, b":%d\r\n" % number)
    for thread in asking:
        thread.join()
    assert sorted(replies) == [0, 1, 2]
    client.close()


def test_half_a_reply_is_an_outage_and_its_rest_is_never_read(silent: Silent) -> None:
    client = redis_client(silent.url, 300, 32)
    answering = Thread(target=lambda: answer_half(silent))
    answering.start()
    with pytest.raises(errors.TimeoutError):
        client.get("name")
    answering.join()
    silent.answer(0, b"the rest\r\n+OK\r\n")
    second = Thread(target=lambda: answer_whole(silent))
    second.start()
    assert client.get("name") == "mine"
    second.join()
    client.close()


def answer_half(silent: Silent) -> None:
    wait_until(lambda: silent.received and b"GET" in silent.received[0])
    silent.answer(0, b"$11\r\nonly")


def answer_whole(silent: Silent) -> None:
    wait_until(lambda: len(silent.received) == 2 and b"GET" in silent.received[1])
    silent.answer(1, b"$4\r\nmine\r\n")
