"""Run MongoDB as in production: a replica set of three."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from devkit.bundled import find_mongod
from devkit.children import free_port
from tests.faults.kit.processes import RestartableServer
from tests.servers import wait_until

NODES_COUNT = 3
NAME = "rs3"
ELECTION_MS = 2_000
READY_WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class MongodbNode:
    """One member; `ask` connects to it directly."""

    server: RestartableServer
    port: int

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, command: str, value: Any = 1) -> Any:
        """Return the answer to a command of the database `admin`; PyMongoError if there is none."""
        with MongoClient[dict[str, Any]](
            self.host, directConnection=True, serverSelectionTimeoutMS=500, timeoutMS=2_000
        ) as client:
            return client.admin.command(command, value)

    def is_primary(self) -> bool:
        """Return True if it takes writes."""
        return bool(self._answers(lambda: self.ask("hello").get("isWritablePrimary")))

    def is_there(self) -> bool:
        """Return True if it answers."""
        return bool(self._answers(lambda: self.ask("ping")))

    def is_member(self) -> bool:
        """Return True if it is primary, or an up-to-date secondary."""
        payload = self._answers(lambda: self.ask("hello")) or {}
        return bool(payload.get("isWritablePrimary") or payload.get("secondary"))

    @staticmethod
    def _answers(ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except PyMongoError:
            return None


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """Three members, one of which takes the writes."""

    nodes: Sequence[MongodbNode]

    @property
    def uri(self) -> str:
        hosts = ",".join(node.host for node in self.nodes)
        return f"mongodb://{hosts}/turnledger?replicaSet={NAME}"

    def find_primary(self) -> MongodbNode | None:
        """Return the member that takes writes; None during an election."""
        return next((node for node in self.nodes if _runs(node) and node.is_primary()), None)

    def kill_primary(self) -> MongodbNode:
        """Kill -9 the primary; the others elect a new one in about two seconds."""
        victim: MongodbNode = wait_until(self.find_primary, READY_WITHIN_S)
        victim.server.kill()
        return victim

    def is_whole(self) -> bool:
        """Return True if every member follows a primary."""
        return self.find_primary() is not None and all(node.is_member() for node in self.nodes)


@contextmanager
def running_replica_set(folder: Path) -> Iterator[ReplicaSet]:
    """Yield three members with their data in `folder`, writable; end them with the block."""
    with ExitStack() as stack:
        nodes = [_start(folder / f"member_{number}") for number in range(NODES_COUNT)]
        for node in nodes:
            stack.callback(node.server.kill)
        for node in nodes:
            wait_until(node.is_there, READY_WITHIN_S)
        members = [{"_id": number, "host": node.host} for number, node in enumerate(nodes)]
        times = {"electionTimeoutMillis": ELECTION_MS, "heartbeatIntervalMillis": 500}
        nodes[0].ask("replSetInitiate", {"_id": NAME, "members": members, "settings": times})
        replica_set = ReplicaSet(nodes)
        wait_until(replica_set.is_whole, READY_WITHIN_S)
        yield replica_set


def _runs(node: MongodbNode) -> bool:
    return node.server.process.poll() is None


def _start(folder: Path) -> MongodbNode:
    folder.mkdir(parents=True)
    port = free_port()
    command = [
        *(find_mongod(), "--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1"),
        *("--nounixsocket", "--quiet", "--replSet", NAME, "--oplogSize", "16"),
        *("--wiredTigerCacheSizeGB", "0.25", "--networkMessageCompressors", "disabled"),
        *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=8MB)"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    ]
    return MongodbNode(RestartableServer.start(command, folder / "server.log"), port)
