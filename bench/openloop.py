"""Open-loop load: requests are due by a fixed schedule, whatever becomes of those before them.

A latency counts from the instant at which its request was due, so a server that stands still is
not spared the requests that would have come meanwhile (no coordinated omission). A request that
finds all connections busy waits, and gives up after `TIMEOUT_S`.
"""

import asyncio
import re
import selectors
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from scripts.lib.replay.summary import percentile

TIMEOUT_S = 1.0
# After the last request was due.
LAST_ANSWERS_S = 10.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# `select` wakes to the microsecond and not to the millisecond, but looks at every socket each time.
_MOST_SELECTED = 100
_LATE_COUNT = 10


def schedule(rate_per_s: float, seconds: float) -> Iterator[float]:
    """Return when each request is due, in seconds after the beginning: evenly spaced."""
    return (number / rate_per_s for number in range(int(rate_per_s * seconds)))


@dataclass(slots=True)
class Backlog:
    """Requests that were due when no connection was free; the oldest goes first."""

    due_s: deque[float] = field(default_factory=deque)
    given_up_count: int = 0

    def take(self, now_s: float) -> float | None:
        """Return the oldest that has not given up at `now_s`, if there is one."""
        while self.due_s:
            due_s = self.due_s.popleft()
            if now_s - due_s <= TIMEOUT_S:
                return due_s
            self.given_up_count += 1
        return None


@dataclass(slots=True)
class Answers:
    """Latencies of the 200s, seconds from when they were due; how many others there were.

    `before_end_count` of the 200s came while requests were still due, for `seconds`.
    """

    seconds: float
    took_s: list[float] = field(default_factory=list)
    before_end_count: int = 0
    refused_count: int = 0

    @property
    def per_s(self) -> float:
        """How many 200s a second."""
        return self.before_end_count / self.seconds

    def ms(self, share: float) -> float:
        """Return the latency that `share` of the 200s do not exceed."""
        return percentile(sorted(self.took_s), share) * 1_000


def status_of(received: bytearray) -> int | None:
    """Return the status of the answer in `received`, or None while it is not whole."""
    end = received.find(b"\r\n\r\n")
    length = _LENGTH.search(received, 0, end + 2) if end >= 0 else None
    if length is None or len(received) < end + 4 + int(length[1]):
        return None
    return int(received[9:12])


def offered(
    url: str, headers: Mapping[str, str], *, rate_per_s: float, seconds: float, connections: int
) -> Answers:
    """Send GET `url` so often, over kept connections; AssertionError if one breaks."""
    run = _Run(url, headers, seconds)
    is_precise = connections <= _MOST_SELECTED
    selector = selectors.SelectSelector() if is_precise else selectors.DefaultSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runner.run(run.load(list(schedule(rate_per_s, seconds)), connections))
    return run.answers


class _Run:
    """One load: its connections, its backlog, its answers; instants are `time.perf_counter`'s."""

    def __init__(self, url: str, headers: Mapping[str, str], seconds: float) -> None:
        self._target = urlsplit(url)
        path = self._target.path + (f"?{self._target.query}" if self._target.query else "")
        lines = [f"GET {path} HTTP/1.1", f"Host: {self._target.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self.answers = Answers(seconds)
        self.broken_count = 0
        self._free: deque[_Connection] = deque()
        self._backlog = Backlog()
        self._end_s = 0.0

    async def load(self, offsets_s: Sequence[float], connections: int) -> None:
        """Connect, offer every request when it is due, wait for what is on its way."""
        loop = asyncio.get_running_loop()
        address = self._target.hostname, self._target.port
        made = [
            (await loop.create_connection(lambda: _Connection(self), *address))[1]
            for _ in range(connections)
        ]
        self._free.extend(made)
        began_s = time.perf_counter()
        self._end_s = began_s + self.answers.seconds
        for number, offset_s in enumerate(offsets_s):
            wait_s = began_s + offset_s - time.perf_counter()
            # A late loop looks at the sockets now and then, not for each request.
            if wait_s > 0 or number % _LATE_COUNT == 0:
                await asyncio.sleep(max(0.0, wait_s))
            self._offer(began_s + offset_s)
        while len(self._free) < connections and time.perf_counter() < self._end_s + LAST_ANSWERS_S:
            await asyncio.sleep(0.005)
        if self.broken_count:
            raise AssertionError(f"{self.broken_count} of {connections} connections broke")
        for connection in made:
            connection.close()

    def _offer(self, due_s: float) -> None:
        if self._free:
            self._free.popleft().send(due_s)
        else:
            self._backlog.due_s.append(due_s)

    def note(self, connection: "_Connection", status: int) -> None:
        """Count a complete answer; its connection takes the request that waits longest."""
        now_s = time.perf_counter()
        if status == 200:
            self.answers.took_s.append(now_s - connection.due_s)
            self.answers.before_end_count += now_s <= self._end_s
        else:
            self.answers.refused_count += 1
        due_s = self._backlog.take(now_s)
        if due_s is None:
            self._free.append(connection)
        else:
            connection.send(due_s)


class _Connection(asyncio.Protocol):
    """One kept connection, with at most one request on its way."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._received = bytearray()
        self._is_closed = False
        self._transport: asyncio.Transport
        self.due_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def send(self, due_s: float) -> None:
        """Send the request that was due then."""
        self.due_s = due_s
        self._transport.write(self._run.request)

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
        self._run.broken_count += not self._is_closed
