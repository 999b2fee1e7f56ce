"""Hostile clients in a process of their own: `python -m … '{"kind": …, "url": …, "key": …}'`.

It prints `ready` once all clients are connected, and goes on until its standard input ends or
`MOST_S` are over. Then it closes every connection and prints one JSON object: how many
connections it made, how many attempts failed. All connections come from one address of loopback.
"""

import asyncio
import os
import resource
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

MOST_S = 60.0
# Its limits per address are not those of the client that is measured.
ADDRESS = "127.0.0.66"
PAUSE_S = 0.5
# From the last connection until all have begun to act.
SETTLE_S = 1.0
FLOOD_PER_S = 500
# So long each connection of the flood stays.
FLOOD_OPEN_S = 1.0
# As over a network: loopback's own segments are so large that megabytes wait in its buffers.
SEGMENT_BYTES, RECEIVED_BYTES = 1_400, 4_096
OPENED_AT_ONCE = 100
_AT_ONCE_GONE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class HostileClients:
    """Where to connect, with which key, and what became of it; `full` is set when all are in."""

    address: tuple[str, int]
    key: str
    count: int
    opened_count: int = 0
    failed_count: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(OPENED_AT_ONCE))

    async def open(self) -> socket.socket:
        """Return a new connection; OSError if there is none."""
        connection = socket.socket()
        connection.settimeout(0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE_GONE)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        try:
            connection.bind((ADDRESS, 0))
            async with self.gate:
                await asyncio.get_running_loop().sock_connect(connection, self.address)
        except BaseException as error:  # also if the end cancels it while it connects
            self.failed_count += isinstance(error, OSError)
            connection.close()
            raise
        self.opened_count += 1
        if self.opened_count >= self.count:
            self.full.set()
        return connection

    def head(self, method: str, path: str, *lines: str) -> bytes:
        """Return the beginning of a request, without the empty line that ends its headers."""
        first = [f"{method} {path} HTTP/1.1", f"Host: {self.address[0]}"]
        return "".join(f"{line}\r\n" for line in (*first, *lines)).encode()


Member = Callable[[HostileClients, socket.socket], Awaitable[None]]


async def slow_headers(clients: HostileClients, connection: socket.socket) -> None:
    """Send a header now and then, and never the last one."""
    await _drip(connection, clients.head("GET", "/healthz"), b"X-Slow: 1\r\n")


async def slow_body(clients: HostileClients, connection: socket.socket) -> None:
    """Announce a body with a key, and send a byte of it now and then."""
    lines = (f"Authorization: {clients.key}", "Content-Type: application/json")
    head = clients.head("POST", "/v1/interactions", *lines, "Content-Length: 5000")
    await _drip(connection, head + b"\r\n", b" ")


async def unread(clients: HostileClients, connection: socket.socket) -> None:
    """Ask for page after page with a key, and read none."""
    page = clients.head("GET", "/v1/interactions", f"Authorization: {clients.key}") + b"\r\n"
    while True:
        await asyncio.get_running_loop().sock_sendall(connection, page)


async def silent(_clients: HostileClients, _connection: socket.socket) -> None:
    """Send nothing."""
    await asyncio.sleep(MOST_S)


async def passing(_clients: HostileClients, _connection: socket.socket) -> None:
    """Send nothing, and close after a while."""
    await asyncio.sleep(FLOOD_OPEN_S)


@dataclass(frozen=True, slots=True)
class Kind:
    """How many there are and what each does; `per_s`: new ones come at this pace all the time."""

    count: int
    member: Member
    per_s: int = 0


KINDS = {
    "64 with slow headers": Kind(64, slow_headers),
    "64 with slow bodies": Kind(64, slow_body),
    "64 that never read": Kind(64, unread),
    "5,000 silent": Kind(5_000, silent),
    "500 new a second": Kind(FLOOD_PER_S, passing, per_s=FLOOD_PER_S),
}


async def _drip(connection: socket.socket, head: bytes, drop: bytes) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, head)
    while True:
        await asyncio.sleep(PAUSE_S)
        await loop.sock_sendall(connection, drop)


async def _stay(clients: HostileClients, member: Member) -> None:
    """Take a connection's part, and connect again whenever the server closes it."""
    while True:
        with suppress(OSError), closing(await clients.open()) as connection:
            await member(clients, connection)
        await asyncio.sleep(PAUSE_S)


async def _come(clients: HostileClients, kind: Kind) -> None:
    """Make new connections at an even pace, whatever becomes of those before."""
    loop, under_way = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    async def one() -> None:
        with suppress(OSError), closing(await clients.open()) as connection:
            await kind.member(clients, connection)

    began_s, number = loop.time(), 0
    while True:
        task = asyncio.create_task(one())
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        number += 1
        await asyncio.sleep(max(0.0, began_s + number / kind.per_s - loop.time()))


async def act(clients: HostileClients, kind: Kind, until: Callable[[], Awaitable[Any]]) -> None:
    """Keep all clients connected until `until()` ends, or for `MOST_S`."""
    if kind.per_s:
        tasks = [asyncio.create_task(_come(clients, kind))]
    else:
        tasks = [asyncio.create_task(_stay(clients, kind.member)) for _ in range(kind.count)]
    with suppress(TimeoutError):
        async with asyncio.timeout(MOST_S):
            await clients.full.wait()
            await asyncio.sleep(SETTLE_S)
            print("ready", flush=True)  # noqa: T201 - the bench reads it
            await until()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def main(kind: Kind, url: str, key: str) -> dict[str, int]:
    """Act until standard input ends; what became of the connections."""
    target = urlsplit(url)
    clients = HostileClients((target.hostname or "", target.port or 80), key, kind.count)
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    await act(clients, kind, reader.read)
    return {"opened": clients.opened_count, "failed": clients.failed_count}


def allow_descriptors(count: int) -> None:
    """Raise this process's limit of open files to `count`, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    asked = orjson.loads(sys.argv[1])
    chosen = KINDS[asked["kind"]]
    allow_descriptors(2 * chosen.count + 100)
    os.write(1, orjson.dumps(asyncio.run(main(chosen, asked["url"], asked["key"]))))
