"""Send the recordings and reads of a customer, and keep the outcome of each request."""

import math
from dataclasses import dataclass

import httpx

from tests import plain_http
from tests.callers import LIST, Caller
from tests.faults.kit.load import Load, Shot, shoot
from tests.turns import Body, body

THREADS_COUNT = 64


@dataclass(frozen=True, slots=True)
class Sent(Shot):
    """A request of the traffic, with the recording that it sent, if any."""

    method: str = ""
    recording: Body | None = None
    interaction_id: str = ""


class Traffic(Load):
    """Alternately lists turns and records one, at `per_second` requests in total.

    Each is timed since it was due, so that a request delayed by waiting ones counts as slow.
    """

    def __init__(self, base_url: str, caller: Caller, per_second: float) -> None:
        super().__init__(self._ask, per_second, threads_count=THREADS_COUNT)
        self.sent: list[Sent] = []
        limits = httpx.Limits(max_connections=THREADS_COUNT)
        self._client = plain_http.Client(
            base_url=base_url, headers=caller.headers, limits=limits, timeout=30
        )

    def __exit__(self, *failure: object) -> None:
        try:
            super().__exit__(*failure)
        finally:
            self._client.close()

    def between(self, from_s: float, to_s: float = math.inf) -> list[Sent]:
        """Return the requests that were due within that time and have been answered."""
        return [each for each in list(self.sent) if from_s <= each.due_at_s < to_s]

    def has_charged(self, from_s: float = 0.0) -> bool:
        """Return True if a turn that was due since then has been charged."""
        return any(each.status == 201 and not each.is_degraded for each in self.between(from_s))

    def _ask(self, number: int) -> None:
        method = ("GET", "POST")[number % 2]
        recording = body() if method == "POST" else None
        shot, item = shoot(
            lambda: self._client.request(method, LIST, json=recording), self.due_at_s(number)
        )
        name = item.get("interaction_id", "") if item else ""
        self.sent.append(
            Sent(
                shot.due_at_s,
                shot.status,
                shot.latency_ms,
                shot.error,
                shot.headers,
                method=method,
                recording=recording,
                interaction_id=name,
            )
        )
