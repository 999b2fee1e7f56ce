"""Requests at a steady pace, whatever becomes of them: nobody waits for the one before."""

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

import httpx

from tests.callers import LIST, Caller
from tests.turns import Body, body

THREADS_COUNT = 64


@dataclass(frozen=True)
class Sent:
    """One request: when it was due, how long its answer took since, and what it was."""

    due_s: float
    took_s: float
    method: str
    told: Body | None
    status: int | None
    headers: httpx.Headers
    interaction_id: str
    error: str = ""

    @property
    def answered_s(self) -> float:
        """When its answer was there."""
        return self.due_s + self.took_s

    @property
    def is_degraded(self) -> bool:
        """A recording tells the quota, unless Redis could not be asked."""
        return self.status == 201 and "x-quota-turns-used" not in self.headers


@dataclass
class Load:
    """Alternately records a turn and lists turns, `per_second` requests in all."""

    base_url: str
    caller: Caller
    per_second: float
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._end, self._lock = Event(), Lock()
        limits = httpx.Limits(max_connections=THREADS_COUNT)
        headers = self.caller.headers
        self._client = httpx.Client(
            base_url=self.base_url, headers=headers, limits=limits, timeout=30
        )
        self._pacer = Thread(target=self._pace)

    def __enter__(self) -> "Load":
        self._pacer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._pacer.join()
        self._client.close()

    def go_on(self, seconds: float) -> tuple[float, float]:
        """Let it run; from when until when that was."""
        started_s = time.monotonic()
        self._end.wait(seconds)
        return started_s, time.monotonic()

    def between(self, from_s: float, to_s: float) -> list[Sent]:
        """What was due within that time and has been answered."""
        with self._lock:
            return [each for each in self.sent if from_s <= each.due_s < to_s]

    def since(self, from_s: float) -> list[Sent]:
        """What was due since then and has been answered."""
        return self.between(from_s, math.inf)

    def _pace(self) -> None:
        due_s, number = time.monotonic(), 0
        with ThreadPoolExecutor(THREADS_COUNT) as pool:
            while not self._end.wait(max(0.0, due_s - time.monotonic())):
                pool.submit(self._send, due_s, ("GET", "POST")[number % 2])
                due_s, number = due_s + 1 / self.per_second, number + 1

    def _send(self, due_s: float, method: str) -> None:
        told = body() if method == "POST" else None
        try:
            answer = self._client.request(method, LIST, json=told)
        except httpx.TransportError as failure:
            status, headers, item, error = None, httpx.Headers(), {}, repr(failure)
        else:
            status, headers, item, error = answer.status_code, answer.headers, answer.json(), ""
        took_s = time.monotonic() - due_s
        interaction_id = item.get("interaction_id", "")
        with self._lock:
            self.sent.append(
                Sent(due_s, took_s, method, told, status, headers, interaction_id, error)
            )


def p99_ms(sent: Sequence[Sent]) -> float:
    """The time that 99 of 100 do not exceed, in milliseconds."""
    assert sent
    took = sorted(each.took_s for each in sent)
    return 1_000 * took[max(0, -(-len(took) * 99 // 100) - 1)]
