"""Closed-loop POSTs of which every one is answered: what the server accepted is known exactly.

wrk ends with a request under way on each connection, and nobody learns what became of it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench.openloop import status_of
from scripts.lib.replay.summary import percentile

# After the last request was sent.
TIMEOUT_S = 10.0


@dataclass(slots=True)
class Replies:
    """Answers by status, their latencies in seconds, and how long all of them took."""

    seconds: float = 0.0
    took_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def per_s(self) -> float:
        """How many answers a second."""
        return len(self.took_s) / self.seconds

    def ms(self, share: float) -> float:
        """Return the latency that `share` of the answers do not exceed."""
        return percentile(sorted(self.took_s), share) * 1_000


def replies_of(
    url: str,
    headers: Mapping[str, str],
    bodies: Iterator[bytes],
    *,
    seconds: float,
    connections: int,
) -> Replies:
    """Send body after body for so long, then wait for the last answers.

    Raises AssertionError if a connection breaks or an answer does not come.
    """
    run = _Run(url, headers, bodies, seconds)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run.load(connections))
    return run.replies


class _Run:
    """One load: what to send, until when, and what came back."""

    def __init__(
        self, url: str, headers: Mapping[str, str], bodies: Iterator[bytes], seconds: float
    ) -> None:
        self._target, self._bodies, self._seconds = urlsplit(url), bodies, seconds
        lines = [f"POST {self._target.path} HTTP/1.1", f"Host: {self._target.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Content-Type: application/json", "Content-Length: "]
        self._head = "\r\n".join(lines).encode()
        self.replies = Replies()
        self._end_s = 0.0
        self._busy_count = 0
        self._all_answered = asyncio.Event()
        self.broken_count = 0

    async def load(self, connections: int) -> None:
        """Connect, keep every connection busy until the end, wait for what is under way."""
        loop = asyncio.get_running_loop()
        host, port = self._target.hostname or "", self._target.port or 80
        made = [
            (await loop.create_connection(lambda: _Connection(self), host, port))[1]
            for _ in range(connections)
        ]
        began_s = time.perf_counter()
        self._end_s, self._busy_count = began_s + self._seconds, connections
        for connection in made:
            connection.send()
        try:
            await asyncio.wait_for(self._all_answered.wait(), self._seconds + TIMEOUT_S)
        except TimeoutError:
            raise AssertionError(f"{self._busy_count} requests were not answered") from None
        finally:
            for connection in made:
                connection.close()
        if self.broken_count:
            raise AssertionError(f"{self.broken_count} of {connections} connections broke")
        self.replies.seconds = time.perf_counter() - began_s

    def request(self) -> bytes:
        """Return the next request as bytes."""
        body = next(self._bodies)
        return b"%s%d\r\n\r\n%s" % (self._head, len(body), body)

    def note(self, connection: "_Connection", status: int) -> None:
        """Count an answer; its connection sends the next request while there is time."""
        now_s = time.perf_counter()
        self.replies.took_s.append(now_s - connection.sent_s)
        self.replies.statuses[status] += 1
        if now_s < self._end_s:
            connection.send()
        else:
            self.end_one()

    def end_one(self) -> None:
        """Count a connection that has no request in flight any more."""
        self._busy_count -= 1
        if not self._busy_count:
            self._all_answered.set()


class _Connection(asyncio.Protocol):
    """One kept connection with one request under way."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._received = bytearray()
        self._is_closed = False
        self._transport: asyncio.WriteTransport
        self.sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is one by its methods

    def send(self) -> None:
        """Send the next request."""
        self.sent_s = time.perf_counter()
        self._transport.write(self._run.request())

    def close(self) -> None:
        """End it."""
        self._is_closed = True
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        status = status_of(self._received)
        if status is not None:
            self._received.clear()
            self._run.note(self, status)

    def connection_lost(self, _error: Exception | None) -> None:
        if not self._is_closed:
            self._run.broken_count += 1
            self._run.end_one()
