"""What is judged an illness of Redis, and what a client is made of."""

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
from app.backends import REDIS_OUTAGES
from app.backends.breaker import FAILURES_COUNT, Breaker
from app.backends.redis_clients import (
    GuardedCluster,
    GuardedRedis,
    RedisResting,
    _has_rest,
    is_illness,
    redis_client,
)
from tests.servers import wait_until
from tests.unit.admission.test_fallback import KEY, PRO

NOBODY = "127.0.0.1:1"
URLS = (
    f"redis://{NOBODY}/0",
    f"redis+cluster://{NOBODY},127.0.0.1:2",
    f"redis+sentinel://{NOBODY}/service/0",
)

Ask = Callable[[Any], object]
# What goes by the driver's own way, and what goes past it.
ASKS: tuple[Ask, ...] = (
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
def test_an_illness_of_the_server(error: Exception) -> None:
    assert is_illness(error)


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
def test_a_fault_of_ours(error: Exception) -> None:
    assert not is_illness(error)


@pytest.mark.parametrize("ask", ASKS, ids=["command", "script", "load"])
@pytest.mark.parametrize("url", URLS)
def test_whatever_the_layout_an_absent_server_is_one_family_of_errors(url: str, ask: Ask) -> None:
    client = redis_client(url, 50, 32)
    with pytest.raises(REDIS_OUTAGES):
        ask(client)
    client.close()


@pytest.mark.parametrize("ask", ASKS, ids=["command", "script", "load"])
@pytest.mark.parametrize("url", URLS)
def test_failures_open_the_breaker_and_then_nothing_is_sent(url: str, ask: Ask) -> None:
    client: GuardedRedis | GuardedCluster = redis_client(url, 50, 32)
    watches: list[Callable[[], None]] = []
    is_seen = Event()

    def pause(_: float) -> None:
        with pytest.raises(RedisResting):
            ask(client)
        is_seen.set()
        raise InterruptedError  # enough has been seen

    client.breaker = Breaker("redis", client.probe, RedisResting, pause=pause, start=watches.append)
    for _ in range(FAILURES_COUNT):
        with pytest.raises(RedisError) as caught:
            ask(client)
        assert not isinstance(caught.value, RedisResting)
    with pytest.raises(InterruptedError):
        watches[0]()
    assert is_seen.is_set()
    with pytest.raises((RedisError, errors.RedisClusterException)) as probed:
        client.probe()
    assert not isinstance(probed.value, RedisResting)
    client.close()


class Silent:
    """Takes every connection, greets, remembers what comes, and answers when it is told to."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.connections: list[socket.socket] = []
        self._left: set[int] = set()
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
        """How many scripts this connection has heard of; 0 if it is not there yet."""
        return self.received[number].count(b"EVALSHA") if number < len(self.received) else 0

    def is_left(self, number: int) -> bool:
        """Whether the other side has hung up."""
        return number in self._left

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
                # With these the driver greets.
                self.connections[number].sendall(b"+OK\r\n" * more.count(b"SETINFO"))
        self._left.add(number)


@pytest.fixture
def silent() -> Iterator[Silent]:
    with closing(Silent()) as server:
        yield server


def test_a_script_is_sent_once_and_its_connection_never_used_again(silent: Silent) -> None:
    client = redis_client(silent.url, 100, 32)
    script = AdmissionScript(client)  # type: ignore[arg-type] # (what we use of it is the same)
    for number in range(3):
        with pytest.raises(errors.TimeoutError):
            script.admit_address(KEY, PRO)
        assert len(silent.received) == number + 1
        # A reply that comes late finds nobody, so the next script cannot take it for its own.
        silent.answer(number, b"*1\r\n:4711\r\n")
    Event().wait(0.3)
    assert [silent.scripts_count(number) for number in range(3)] == [1, 1, 1]
    client.close()


def script_client(silent: Silent) -> GuardedRedis:
    return cast("GuardedRedis", redis_client(silent.url, 5_000, 32))


def run_script(client: GuardedRedis, silent: Silent, number: int) -> None:
    """Run one, of which this connection hears as the next thing, and which it answers."""
    before_count = silent.scripts_count(number)

    def answer() -> None:
        wait_until(lambda: silent.scripts_count(number) > before_count)
        silent.answer(number, b":%d\r\n" % number)

    answering = Thread(target=answer)
    answering.start()
    assert client.evalsha("digest", 1, "key", "argument") == number
    answering.join()


def test_a_connection_runs_one_script_after_the_other(silent: Silent) -> None:
    client = script_client(silent)
    for _ in range(3):
        run_script(client, silent, 0)
    assert len(silent.received) == 1
    client.close()
    wait_until(lambda: silent.is_left(0))


@pytest.mark.parametrize("unasked", [b":4711\r\n", None])
def test_who_speaks_unasked_or_hangs_up_is_asked_no_more(
    silent: Silent, unasked: bytes | None
) -> None:
    client = script_client(silent)
    run_script(client, silent, 0)
    if unasked:
        silent.answer(0, unasked)
    else:
        silent.connections[0].shutdown(socket.SHUT_WR)
    wait_until(lambda: _has_rest(client._idle[0]))
    run_script(client, silent, 1)
    assert silent.scripts_count(0) == 1
    client.close()


def test_an_interrupted_script_leaves_no_reply_to_the_next(
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


def test_a_connection_to_a_former_master_is_not_used_again(silent: Silent) -> None:
    client = script_client(silent)
    run_script(client, silent, 0)
    owns = client.connection_pool.owns_connection
    client.connection_pool.owns_connection = lambda _: False  # as sentinels' pool answers then
    run_script(client, silent, 1)
    client.connection_pool.owns_connection = owns
    run_script(client, silent, 1)
    assert [silent.scripts_count(number) for number in range(2)] == [1, 2]
    client.close()


def test_who_is_told_of_a_replica_connects_anew_however_often(silent: Silent) -> None:
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


def test_scripts_at_once_have_a_connection_each(silent: Silent) -> None:
    client = script_client(silent)
    told: list[int] = []
    asking = [Thread(target=lambda: told.append(client.evalsha("digest", 0))) for _ in range(3)]
    for thread in asking:
        thread.start()
    wait_until(lambda: [silent.scripts_count(number) for number in range(3)] == [1, 1, 1])
    for number in range(3):
        silent.answer(number, b":%d\r\n" % number)
    for thread in asking:
        thread.join()
    assert sorted(told) == [0, 1, 2]
    client.close()


def test_half_a_reply_is_an_outage_and_its_rest_is_read_by_nobody(silent: Silent) -> None:
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
