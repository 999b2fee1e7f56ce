"""Run Redis as in production: a cluster with replicas, or a primary with sentinels."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Flask
from redis.crc import key_slot

from devkit.bundled import find_redis_server
from devkit.children import free_port
from tests.callers import Caller, new_caller
from tests.faults.kit.processes import RestartableServer
from tests.faults.kit.redis_node import READY_WITHIN_S, RedisNode
from tests.servers import wait_until

SLOTS_COUNT = 16_384
PRIMARIES_COUNT = 3
# After this the other nodes consider a node dead.
NODE_TIMEOUT_MS = 1_000
START_TRIES = 5
MOST_TRIES = 100
SERVICE = "turnledger"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The nodes of a cluster, beginning with the first primaries."""

    nodes: Sequence[RedisNode]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(node.host for node in self.nodes)

    def primary_of(self, key: str) -> RedisNode:
        """Return the node that owns a key."""
        slot = key_slot(key.encode())
        return next(node for node in self._primaries() if _holds(node, slot))

    def kill_primary_of(self, key: str) -> RedisNode:
        """Kill -9 the node that owns a key; its replica takes over when the others notice."""
        victim = self.primary_of(key)
        victim.server.kill()
        return victim

    def is_whole(self) -> bool:
        """Return True if every running node can reach a primary for every slot."""
        running = [node for node in self.nodes if node.server.process.poll() is None]
        return len(self._primaries()) == PRIMARIES_COUNT and all(
            _cluster_info(node).get("cluster_state") == "ok"
            and _known_count(node) == len(self.nodes)
            for node in running
        )

    def is_replicated(self) -> bool:
        """Return True if every replica is in sync with its primary."""
        roles = [node.answers("ROLE") or [""] for node in self.nodes]
        links = [role[3] for role in roles if role[0] == "slave"]
        return "" not in {role[0] for role in roles} and set(links) <= {"connected"}

    def _primaries(self) -> list[RedisNode]:
        return [node for node in self.nodes if node.is_primary() and _owned(node)]


def caller_at_every_primary(app: Flask, cluster: Cluster) -> list[Caller]:
    """Return one organization for each primary, whose keys that primary owns."""
    found: dict[int, Caller] = {}
    for _ in range(MOST_TRIES):
        caller = new_caller(app)
        primary = cluster.primary_of(f"bucket:{{{caller.organization.id}}}")
        found.setdefault(cluster.nodes.index(primary), caller)
        if len(found) == PRIMARIES_COUNT:
            return [found[number] for number in sorted(found)]
    raise AssertionError(f"{MOST_TRIES} organizations have no key on some primary")


@contextmanager
def running_cluster(folder: Path, *, replicas_count: int = 3) -> Iterator[Cluster]:
    """Yield three primaries and `replicas_count` replicas, one for each of the first primaries."""
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(running_node(folder / f"node_{number}", is_clustered=True))
            for number in range(PRIMARIES_COUNT + replicas_count)
        ]
        cluster = Cluster(nodes)
        _introduce(nodes)
        wait_until(lambda: all(_known_count(node) == len(nodes) for node in nodes), READY_WITHIN_S)
        for primary, replica in zip(nodes, nodes[PRIMARIES_COUNT:], strict=False):
            replica.ask("CLUSTER", "REPLICATE", str(primary.ask("CLUSTER", "MYID")))
        wait_until(lambda: cluster.is_whole() and cluster.is_replicated(), READY_WITHIN_S)
        yield cluster


@contextmanager
def moving(key: str, source: RedisNode, target: RedisNode) -> Iterator[None]:
    """Begin to move the slot of `key`; complete the move with all keys at the end."""
    slot = key_slot(key.encode())
    ids = [str(node.ask("CLUSTER", "MYID")) for node in (source, target)]
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
    yield
    names = source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1_000)
    if names:
        source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *names)
    for node in (target, source):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[1])


def _introduce(nodes: Sequence[RedisNode]) -> None:
    """Give each primary its slots, and join the nodes."""
    for number, node in enumerate(nodes):
        node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        if number < PRIMARIES_COUNT:
            first, after = (SLOTS_COUNT * n // PRIMARIES_COUNT for n in (number, number + 1))
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, after - 1)
        if number:
            bus_port = node.ask("CONFIG", "GET", "cluster-port")[1]
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, bus_port)


def _cluster_info(node: RedisNode) -> dict[str, str]:
    """Return its CLUSTER INFO; empty if it does not answer."""
    lines = str(node.answers("CLUSTER", "INFO") or "").splitlines()
    return dict(line.split(":", 1) for line in lines)


def _known_count(node: RedisNode) -> int:
    return int(_cluster_info(node).get("cluster_known_nodes", 0))


def _owned(node: RedisNode) -> list[tuple[int, int]]:
    """Return the first and last slot of each range that it owns."""
    spans = node.answers("CLUSTER", "SLOTS") or []
    return [(first, last) for first, last, primary, *_ in spans if primary[1] == node.port]


def _holds(node: RedisNode, slot: int) -> bool:
    return any(first <= slot <= last for first, last in _owned(node))


@dataclass(frozen=True, slots=True)
class Watched:
    """A primary, its replica, and the sentinels that promote the replica."""

    data: Sequence[RedisNode]
    sentinels: Sequence[RedisNode]

    @property
    def url(self) -> str:
        hosts = ",".join(sentinel.host for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    def primary_port(self) -> int:
        """Return the primary's port according to the sentinels; 0 while they disagree."""
        ports = {str(one.answers(*_WHO)) for one in self.sentinels}
        answer = self.sentinels[0].answers(*_WHO)
        return int(answer[1]) if answer and len(ports) == 1 else 0

    def kill_primary(self) -> RedisNode:
        """Kill -9 the primary; the sentinels notice and promote the replica."""
        victim = next(node for node in self.data if node.port == self.primary_port())
        victim.server.kill()
        return victim

    def is_ready(self) -> bool:
        """Return True if every sentinel knows the others and a replica that can take over."""
        replica = self.data[1].answers("ROLE") or [""] * 4
        return replica[3] == "connected" and all(
            (state := _state(one)).get("num-slaves") == str(len(self.data) - 1)
            and state.get("num-other-sentinels") == str(len(self.sentinels) - 1)
            for one in self.sentinels
        )


def _state(sentinel: RedisNode) -> dict[str, str]:
    """Return its data about the primary; empty if it does not answer."""
    words = sentinel.answers("SENTINEL", "MASTER", SERVICE) or []
    return dict(zip(words[::2], words[1::2], strict=True))


_WHO = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)


@contextmanager
def running_sentinels(folder: Path, *, sentinels_count: int = 3) -> Iterator[Watched]:
    """Yield a primary with a replica, monitored by sentinels."""
    with ExitStack() as stack:
        primary = stack.enter_context(running_node(folder / "primary"))
        following = ("--replicaof", "127.0.0.1", str(primary.port))
        replica = stack.enter_context(running_node(folder / "replica", *following))
        lines = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} {sentinels_count // 2 + 1}",
            f"sentinel down-after-milliseconds {SERVICE} {NODE_TIMEOUT_MS}",
            f"sentinel failover-timeout {SERVICE} 5000",
        ]
        sentinels = [
            stack.enter_context(running_node(folder / f"sentinel_{number}", sentinel=lines))
            for number in range(sentinels_count)
        ]
        watched = Watched([primary, replica], sentinels)
        wait_until(watched.is_ready, READY_WITHIN_S)
        yield watched


@contextmanager
def running_node(
    folder: Path, *options: str, is_clustered: bool = False, sentinel: Sequence[str] = ()
) -> Iterator[RedisNode]:
    """Start a server that writes only its log and its configuration to disk."""
    folder.mkdir(parents=True)
    node = next(
        filter(None, (_try(folder, options, is_clustered, sentinel) for _ in range(START_TRIES)))
    )
    try:
        yield node
    finally:
        node.server.kill()


def _try(
    folder: Path, options: Sequence[str], is_clustered: bool, sentinel: Sequence[str]
) -> RedisNode | None:
    """Return a server that answers; None if another program took one of its ports."""
    port, log = free_port(), folder / "server.log"
    command = [find_redis_server()]
    if sentinel:
        file = folder / "sentinel.conf"
        file.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f"dir {folder}", *sentinel]))
        command += [str(file), "--sentinel"]
    else:
        command += ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
        command += ["--appendonly", "no", "--save", "", "--repl-diskless-sync-delay", "0", *options]
    if is_clustered:
        command += ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
        command += ["--cluster-node-timeout", str(NODE_TIMEOUT_MS)]
        command += ["--cluster-replica-validity-factor", "0"]
    server = RestartableServer.start(command, log)
    node = RedisNode(server, port)
    wait_until(lambda: server.process.poll() is not None or node.answers("PING"), READY_WITHIN_S)
    if server.process.poll() is None:
        return node
    assert "ddress already in use" in log.read_text(errors="replace"), log.read_text()[-2_000:]
    return None
