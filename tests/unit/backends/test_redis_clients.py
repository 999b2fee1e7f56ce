"""What is judged an illness of Redis, and what a client is made of."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from threading import Event, Lock, Thread

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


@pytest.mark.parametrize("url", URLS)
def test_whatever_the_layout_an_absent_server_is_one_family_of_errors(url: str) -> None:
    client = redis_client(url, 50, 32)
    with pytest.raises(REDIS_OUTAGES):
        client.ping()
    client.close()


@pytest.mark.parametrize("url", URLS)
def test_failures_open_the_breaker_and_then_nothing_is_sent(url: str) -> None:
    client: GuardedRedis | GuardedCluster = redis_client(url, 50, 32)
    watches: list[Callable[[], None]] = []
    is_seen = Event()

    def pause(_: float) -> None:
        with pytest.raises(RedisResting):
            client.ping()
        is_seen.set()
        raise InterruptedError  # enough has been seen

    client.breaker = Breaker("redis", client.probe, RedisResting, pause=pause, start=watches.append)
    for _ in range(FAILURES_COUNT):
        with pytest.raises(RedisError) as caught:
            client.ping()
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
    assert [received.count(b"EVALSHA") for received in silent.received] == [1, 1, 1]
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
