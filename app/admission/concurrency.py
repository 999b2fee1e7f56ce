"""Limit how many requests of one organization are in flight in this process.

Promise: while another organization sends requests, one organization holds at most half of a
worker's threads, and at most a quarter with heavy requests. An organization that is alone has no
limit, except that streams are always limited like heavy requests: they last for minutes, so the
next organization would wait for them. Every organization may have one request in flight at any
time.

Algorithm: a count for each organization with requests in flight, and the two latest instants at
which different organizations were seen. A request costs the same however many organizations there
are. Stripe calls this a concurrent requests limiter.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from app.admission.errors import ConcurrencyExceeded

# After each of its requests an organization counts as a neighbour of the others for so long.
NEIGHBOUR_S = 1.0


@dataclass(slots=True, eq=False)
class InFlight:
    """A request that counts until it leaves; its owner sets `is_streamed`."""

    organization_id: str
    is_heavy: bool
    has_left: bool = False
    is_streamed: bool = False


class ConcurrencyLimiter:
    """Count the requests in flight in a worker of `threads_count` threads. Safe between threads.

    `clock` is monotonic, in seconds. A refused request makes its organization a neighbour too.
    """

    def __init__(self, threads_count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = max(1, threads_count // 2)
        self._heavy_limit = max(1, threads_count // 4)
        self._clock = clock
        self._lock = Lock()
        # By organization: all requests in flight, and the heavy ones among them.
        self._counts: dict[str, list[int]] = {}
        self._latest_id = ""
        self._latest_at_s = self._other_at_s = -math.inf

    def enter(self, organization_id: str, *, is_heavy: bool, is_stream: bool = False) -> InFlight:
        """Count a request until it leaves; ConcurrencyExceeded if it is one above a limit.

        A stream is a heavy request that may last for minutes.
        """
        with self._lock:
            now_s = self._clock()
            if organization_id != self._latest_id:
                self._latest_id, self._other_at_s = organization_id, self._latest_at_s
            self._latest_at_s = now_s
            counts = self._counts.get(organization_id)
            if counts is None:
                counts = self._counts[organization_id] = [0, 0]
            else:
                has_neighbour = now_s - self._other_at_s < NEIGHBOUR_S
                if has_neighbour and counts[0] >= self._limit:
                    raise ConcurrencyExceeded(self._limit, is_heavy=False)
                is_bounded = is_stream or (is_heavy and has_neighbour)
                if is_bounded and counts[1] >= self._heavy_limit:
                    raise ConcurrencyExceeded(self._heavy_limit, is_heavy=True)
            counts[0] += 1
            counts[1] += is_heavy
        return InFlight(organization_id, is_heavy)

    def leave(self, request: InFlight) -> None:
        """Stop counting `request`; only the first call for it has an effect."""
        with self._lock:
            if request.has_left:
                return
            request.has_left = True
            counts = self._counts[request.organization_id]
            counts[0] -= 1
            counts[1] -= request.is_heavy
            if not counts[0]:
                del self._counts[request.organization_id]
