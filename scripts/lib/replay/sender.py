"""Send requests at their instants from a bounded pool of threads.

The loop is open: a slow answer delays no later request. If all threads are busy a request is sent
late. This lateness is measured, so that a slow service cannot hide behind a waiting sender.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import uniform
from threading import Event, Lock, Thread
from typing import Any

from scripts.lib.replay.client import Answer, Client, Unreachable
from scripts.lib.replay.schedule import Shot
from scripts.lib.replay.summary import (
    ACCEPTED,
    DUPLICATE,
    RATE_LIMITED,
    Tally,
    outcome_of_error,
    outcome_of_result,
)
from scripts.lib.replay.turns import Recipe

SINGLE, BATCH = "/v1/interactions", "/v1/interactions/batch"
_OUTCOMES: Mapping[int, str] = {201: ACCEPTED, 200: DUPLICATE}
_START_IN_S = 0.2


@dataclass(slots=True)
class Replay:
    """One run; `send` may be called once."""

    shots: Sequence[Shot]
    recipe: Recipe
    make_client: Callable[[], Client]
    is_batched: bool
    most_retries: int
    on_sent: Callable[[int], object]
    failure: Unreachable | None = None
    is_interrupted: bool = False
    _stopped: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)
    _began: float = 0.0
    _rest: Iterator[Shot] = field(init=False)

    def send(self, threads_count: int) -> tuple[Tally, float]:
        """Send every request; return the tally of all senders, and the seconds it took.

        Ends early if the service does not answer (`failure`) and on Ctrl-C (`is_interrupted`).
        """
        tallies = [Tally() for _ in range(threads_count)]
        threads = [Thread(target=self._work, args=(tally,)) for tally in tallies]
        self._rest = iter(self.shots)
        self._began = time.perf_counter() + _START_IN_S
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            self.is_interrupted = True
            self._stopped.set()
            for thread in threads:
                thread.join()
        duration_s = time.perf_counter() - self._began
        whole = Tally()
        for tally in tallies:
            whole.add(tally)
        return whole, duration_s

    def _work(self, tally: Tally) -> None:
        client = self.make_client()
        try:
            while (shot := self._take()) is not None:
                self._fire(client, shot, tally)
        except Unreachable as failure:
            self.failure = failure
            self._stopped.set()
        finally:
            client.close()

    def _take(self) -> Shot | None:
        with self._lock:
            return None if self._stopped.is_set() else next(self._rest, None)

    def _fire(self, client: Client, shot: Shot, tally: Tally) -> None:
        path, payload = self._request(shot)
        due = self._began + shot.due_s
        if self._stopped.wait(max(0.0, due - time.perf_counter())):
            return
        sent = time.perf_counter()
        tally.lateness_s.append(sent - due)
        answer, sent = self._ask(client, path, payload, tally)
        done = time.perf_counter()
        tally.from_schedule_s.append(done - due)
        tally.from_send_s.append(done - sent)
        tally.outcomes.update(_outcomes(answer, len(shot.arrivals)))
        self.on_sent(len(shot.arrivals))

    def _request(self, shot: Shot) -> tuple[str, Any]:
        bodies = [self.recipe.body(arrival) for arrival in shot.arrivals]
        return (BATCH, {"interactions": bodies}) if self.is_batched else (SINGLE, bodies[0])

    def _ask(self, client: Client, path: str, payload: Any, tally: Tally) -> tuple[Answer, float]:
        """Return the last answer and when its request was sent; retry while rate-limited."""
        for attempt in range(self.most_retries + 1):
            sent = time.perf_counter()
            answer = client.post(path, payload)
            if attempt == self.most_retries or not _is_rate_limited(answer):
                break
            wait_s = float(answer.headers.get("Retry-After", "1"))
            # Not earlier than Retry-After, and not all senders together.
            if self._stopped.wait(wait_s * uniform(1, 2)):  # noqa: S311
                break
            tally.retries_count += 1
        return answer, sent


def _is_rate_limited(answer: Answer) -> bool:
    return answer.status == 429 and outcome_of_error(answer.error_code) == RATE_LIMITED


def _outcomes(answer: Answer, turns_count: int) -> list[str]:
    """Return the outcome of each turn of a request."""
    if results := answer.body.get("results"):
        return [outcome_of_result(result) for result in results]
    outcome = _OUTCOMES.get(answer.status) or outcome_of_error(answer.error_code)
    return [outcome] * turns_count
