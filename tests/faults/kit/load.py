"""Requests at a steady pace, whatever becomes of them, and producers that know no surrender."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import httpx
from werkzeug.test import TestResponse

from tests.callers import LIST, Caller
from tests.turns import Body, body

RETRY_AFTER_S = 0.05
# After which a producer gives up, and with it the test.
KNOWN_WITHIN_S = 60
THREADS_COUNT = 16
NO_ANSWER = 0

Answer = httpx.Response | TestResponse
Send = Callable[[], Answer]


@dataclass(frozen=True, slots=True)
class Shot:
    """One request: when it was sent (monotonic), what came (0: nothing), and how long it took."""

    sent_at: float
    status: int
    latency_ms: float
    error: str = ""


class Load:
    """Runs `work(number)` so many times a second until the block ends; nobody waits for an answer.

    If all threads are busy a run comes late. What `work` raises fails the block at its end.
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

    def __enter__(self) -> "Load":
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        if kind is None and self._faults:
            raise AssertionError(f"{len(self._faults)} senders failed") from self._faults[0]

    def last(self, seconds: float) -> None:
        """Let it go on for so long; AssertionError at once if a sender has failed."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            assert not self._faults, self._faults
            self._is_over.wait(min(left, 0.1))

    def _run(self) -> None:
        try:
            while not self._is_over.is_set():
                number = next(self._numbers)
                due_at = self._began + number / self._per_second
                if not self._is_over.wait(max(0, due_at - time.monotonic())):
                    self._work(number)
        except BaseException as fault:
            self._faults.append(fault)


def shoot(send: Send) -> tuple[Shot, Any]:
    """Send one request: what came of it, and its body if there is one."""
    sent_at = time.monotonic()
    try:
        answer = send()
    except httpx.TransportError as error:
        return Shot(sent_at, NO_ANSWER, _since_ms(sent_at), type(error).__name__), None
    told = answer.get_json() if isinstance(answer, TestResponse) else answer.json()
    return Shot(sent_at, answer.status_code, _since_ms(sent_at)), told


@dataclass(frozen=True, slots=True)
class Accepted:
    """A turn that was told until it was stored; how it was accepted, and the item that came."""

    told: Body
    status: int
    item: dict[str, Any]


class Producers:
    """Record turns, each again and again until it is stored, as producers must."""

    def __init__(
        self,
        post: Callable[[Body], Answer],
        make: Callable[[], Body] = body,
    ) -> None:
        self.shots: list[Shot] = []
        self.accepted: list[Accepted] = []
        self._post, self._make = post, make
        self._pause = Event()

    def __call__(self, number: int) -> None:
        """Tell one turn."""
        told = self._make()
        deadline, statuses = time.monotonic() + KNOWN_WITHIN_S, []
        while True:
            shot, item = shoot(lambda: self._post(told))
            self.shots.append(shot)
            statuses.append(shot.status)
            if shot.status in (200, 201):
                self.accepted.append(Accepted(told, shot.status, item))
                return
            assert shot.status in (NO_ANSWER, 503), (shot, item)
            assert time.monotonic() < deadline, f"not stored in {KNOWN_WITHIN_S} s: {statuses}"
            self._pause.wait(RETRY_AFTER_S)

    def statuses(self) -> dict[int, int]:
        """How often each status came, 0 for no answer."""
        return dict(sorted(Counter(shot.status for shot in self.shots).items()))

    def broken(self) -> list[Shot]:
        """Those that no answer came to."""
        return [shot for shot in list(self.shots) if shot.status == NO_ANSWER]

    def assert_all_are_stored_once(self, caller: Caller) -> None:
        """Every accepted turn is in the ledger as it was told, and there is nothing else."""
        stored = {item["interaction_id"]: item for item in caller.walk()}
        told = {accepted.item["interaction_id"]: accepted for accepted in self.accepted}
        assert stored.keys() == told.keys()
        assert caller.rows_count() == len(self.accepted) == len(told)
        for name, accepted in told.items():
            assert stored[name] == accepted.item
            sent = accepted.told
            assert stored[name]["created_at"] == sent["occurred_at"]
            assert all(
                stored[name][field] == sent[field] for field in sent if field in stored[name]
            )


def over(client: httpx.Client) -> Callable[[Body], Answer]:
    """Records over the wire."""
    return lambda told: client.post(LIST, json=told)


def percentile_ms(shots: Iterable[Shot], percent: float) -> float:
    """The least latency that at least so many percent of the shots do not exceed."""
    latencies = sorted(shot.latency_ms for shot in shots)
    return round(latencies[max(0, -int(-len(latencies) * percent // 100) - 1)], 1)


def _since_ms(instant: float) -> float:
    return (time.monotonic() - instant) * 1_000
