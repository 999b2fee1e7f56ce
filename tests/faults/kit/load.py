"""Send requests at a steady rate in an open loop: none waits for the previous answer."""

import gc
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, Self

import httpx
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

THREADS_COUNT = 16
NO_ANSWER = 0

Answer = httpx.Response | TestResponse
# Sends a method, a path and `json`: a client's `request`, or a `Caller`.
Send = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Shot:
    """One request: when it was due (monotonic), its status (0: no answer) and its duration."""

    due_at_s: float
    status: int
    latency_ms: float
    error: str = ""
    headers: httpx.Headers | Headers = field(default_factory=httpx.Headers, repr=False)

    @property
    def answered_at_s(self) -> float:
        """Return when the answer, or the failure, was complete."""
        return self.due_at_s + self.latency_ms / 1_000

    @property
    def is_degraded(self) -> bool:
        """Return True if a turn was accepted without Redis, so without quota headers."""
        return self.status == 201 and not has_quota(self)


class Load:
    """Runs `work(number)` so many times a second until the block ends, in an open loop.

    If all threads are busy a run is late. An exception of `work` fails the block at its end.
    """

    def __init__(
        self,
        work: Callable[[int], object],
        per_second: float,
        *,
        threads_count: int = THREADS_COUNT,
    ) -> None:
        self._work, self._per_second = work, per_second
        self._numbers = itertools.count()
        self._is_over = Event()
        self._faults: list[BaseException] = []
        self._threads = [Thread(target=self._run) for _ in range(threads_count)]
        self._began = 0.0

    def __enter__(self) -> Self:
        # A full garbage collection of this process stops all senders for a tenth of a second.
        gc.collect()
        gc.freeze()
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        gc.unfreeze()
        if kind is None and self._faults:
            raise AssertionError(f"{len(self._faults)} senders failed") from self._faults[0]

    def last(self, seconds: float) -> tuple[float, float]:
        """Continue for so long; return the start and end of that time (monotonic).

        Raises AssertionError at once if a sender has failed.
        """
        began_s = time.monotonic()
        while (left := began_s + seconds - time.monotonic()) > 0:
            self.require_no_fault()
            self._is_over.wait(min(left, 0.1))
        return began_s, time.monotonic()

    def require_no_fault(self) -> None:
        """Raise AssertionError if a sender has failed."""
        assert not self._faults, self._faults

    def due_at_s(self, number: int) -> float:
        """Return when this run is due (monotonic)."""
        return self._began + number / self._per_second

    def _run(self) -> None:
        try:
            while not self._is_over.is_set():
                number = next(self._numbers)
                if not self._is_over.wait(max(0, self.due_at_s(number) - time.monotonic())):
                    self._work(number)
        except BaseException as fault:
            self._faults.append(fault)


def shoot(send: Callable[[], Answer], due_at_s: float | None = None) -> tuple[Shot, Any]:
    """Send one request; return its outcome, and the body if there is one.

    If it was due before now, its duration includes the delay.
    """
    since_s = time.monotonic() if due_at_s is None else due_at_s
    try:
        answer = send()
    except httpx.TransportError as error:
        return Shot(since_s, NO_ANSWER, _since_ms(since_s), type(error).__name__), None
    payload = answer.get_json() if isinstance(answer, TestResponse) else _json_of(answer)
    return Shot(since_s, answer.status_code, _since_ms(since_s), headers=answer.headers), payload


def has_quota(answer: Shot | Answer) -> bool:
    """Return True if Redis decided: the answer has quota headers."""
    return "X-Quota-Turns-Used" in answer.headers


def percentile_ms(shots: Iterable[Shot], percent: float) -> float:
    """Return the latency that at least so many percent of the shots do not exceed."""
    latencies = sorted(shot.latency_ms for shot in shots)
    return round(latencies[max(0, -int(-len(latencies) * percent // 100) - 1)], 1)


def _json_of(answer: httpx.Response) -> Any:
    return answer.json() if answer.content else None


def _since_ms(instant_s: float) -> float:
    return (time.monotonic() - instant_s) * 1_000
