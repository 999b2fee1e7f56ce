"""Deliver turns of the outbox to the ledger, and settle each one by its answer."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Sequence

from ._core import requests
from ._core.answers import error_of, exception, json_of
from ._core.breaker import Breaker
from ._core.clock import LedgerClock, parse_ms
from ._core.values import (
    MAX_BATCH_BYTES,
    Answer,
    Exchange,
    Request,
    Row,
    State,
)
from ._core.verdicts import (
    DELIVERED,
    Delivered,
    Later,
    Pause,
    RefusedForGood,
    Verdict,
    judge_age,
    judge_error,
    outage_pause,
    pause_after,
    results_of,
)
from ._outbox import Outbox
from .errors import LedgerUnavailable, ServerError, TurnledgerError
from .types import Refused

_LOG_EVERY_S = 60.0
_SPLITS = (400, 413)
_NO_SUCH_ROUTE = (404, 405)
_OCCURRED_AT = re.compile(r'"occurred_at":"([^"]{1,40})"')
_log = logging.getLogger("turnledger")


class Delivery:
    """Sends turns, each kind in batches."""

    def __init__(
        self,
        outbox: Outbox,
        exchange: Exchange,
        *,
        breaker: Breaker,
        clock: LedgerClock,
        on_refused: Callable[[Refused], None] | None,
    ) -> None:
        self._outbox = outbox
        self._exchange = exchange
        self._breaker = breaker
        self._clock = clock
        self._on_refused = on_refused
        self._failures_count = 0
        self._logged_at_s = -_LOG_EVERY_S
        self._completes_in_batches = True

    def send(self, rows: Sequence[Row], timeout_s: float) -> Pause | None:
        """Send the turns; stop at an answer that asks for a pause, and return that."""
        fitting = self._in_time(rows)
        for state, send in (
            (State.RECORD, self._record),
            (State.COMPLETE, self._complete),
            (State.CANCEL, self._cancel),
        ):
            for batch in _cut([row for row in fitting if row.state is state]):
                pause = send(batch, timeout_s)
                if pause is not None:
                    return pause
        return None

    def _in_time(self, rows: Sequence[Row]) -> list[Row]:
        """Return the turns that the ledger takes by their instant; settle the others."""
        now_ms = self._clock.now_ms()
        fitting = []
        for row in rows:
            found = _OCCURRED_AT.search(row.body)
            verdict = judge_age(row, parse_ms(found[1]) if found else None, now_ms)
            if verdict is None:
                fitting.append(row)
            else:
                self._settle([(row, verdict)])
        return fitting

    def _record(self, rows: Sequence[Row], timeout_s: float) -> Pause | None:
        return self._send_batch(
            rows, requests.record_batch([row.body for row in rows]), self._record, timeout_s
        )

    def _complete(self, rows: Sequence[Row], timeout_s: float) -> Pause | None:
        if not self._completes_in_batches:
            return self._each(rows, _completion_of, timeout_s)
        pairs = [(row.interaction_id or "", row.body) for row in rows]
        return self._send_batch(rows, requests.complete_batch(pairs), self._complete, timeout_s)

    def _cancel(self, rows: Sequence[Row], timeout_s: float) -> Pause | None:
        return self._each(rows, lambda row: requests.cancel(row.interaction_id or ""), timeout_s)

    def _send_batch(
        self,
        rows: Sequence[Row],
        request: Request,
        again: Callable[[Sequence[Row], float], Pause | None],
        timeout_s: float,
    ) -> Pause | None:
        answer = self._asked(request, timeout_s)
        if isinstance(answer, Pause):
            return answer
        if answer.status in _NO_SUCH_ROUTE and request.path == requests.COMPLETIONS:
            self._completes_in_batches = False  # a ledger of an earlier release
            return again(rows, timeout_s)
        if answer.status in _SPLITS:
            return self._halve(rows, answer, again, timeout_s)
        try:
            results = results_of(json_of(answer))
        except TurnledgerError as error:
            return self._outage(error)
        if len(results) != len(rows):
            return self._outage(ServerError("The answer to a batch lacks results."))
        now_ms = self._clock.local_ms()
        self._settle([(row, _judge(row, each, now_ms)) for row, each in zip(rows, results)])
        return _leave_half(answer)

    def _halve(
        self,
        rows: Sequence[Row],
        answer: Answer,
        again: Callable[[Sequence[Row], float], Pause | None],
        timeout_s: float,
    ) -> Pause | None:
        if len(rows) == 1:
            self._settle([(rows[0], judge_error(rows[0], error_of(answer), 0))])
            return None
        middle = len(rows) // 2
        return again(rows[:middle], timeout_s) or again(rows[middle:], timeout_s)

    def _each(
        self, rows: Sequence[Row], request_of: Callable[[Row], Request], timeout_s: float
    ) -> Pause | None:
        for row in rows:
            answer = self._asked(request_of(row), timeout_s)
            if isinstance(answer, Pause):
                return answer
            verdict: Verdict = DELIVERED
            if answer.status >= 300:
                verdict = judge_error(row, error_of(answer), self._clock.local_ms())
            self._settle([(row, verdict)])
        return None

    def _asked(self, request: Request, timeout_s: float) -> Answer | Pause:
        """Return the answer, or the pause that it asks for."""
        try:
            answer = self._exchange(request, timeout_s)
            if answer.status < 300:
                self._answered(answer)
                return answer
            error = error_of(answer)
        except TurnledgerError as no_answer:
            error = no_answer
        if isinstance(error, LedgerUnavailable):
            return self._outage(error)
        self._breaker.note_answer()
        pause = pause_after(error)
        if pause is None:
            return answer
        self.log_seldom(f"The ledger takes no turns ({error.code or type(error).__name__}).")
        return pause

    def _outage(self, error: TurnledgerError) -> Pause:
        """Return the pause after a request without an answer of a ledger."""
        self._breaker.note_failure()
        pause = outage_pause(error, self._failures_count, random.random())  # noqa: S311
        self._failures_count += 1
        self.log_seldom(f"The ledger does not answer ({type(error).__name__}).")
        return pause

    def _answered(self, answer: Answer) -> None:
        self._breaker.note_answer()
        self._clock.learn_from_date(answer.headers.get("date"))
        self._failures_count = 0

    def _settle(self, verdicts: Sequence[tuple[Row, Verdict]]) -> None:
        """Write the verdicts into the outbox; report what is refused."""
        delivered = [row.seq for row, verdict in verdicts if isinstance(verdict, Delivered)]
        refused = [
            (row, verdict.reason)
            for row, verdict in verdicts
            if isinstance(verdict, RefusedForGood)
        ]
        if delivered:
            self._outbox.delivered(delivered)
        if refused:
            self._outbox.refuse([(row.seq, reason) for row, reason in refused])
        for row, verdict in verdicts:
            if isinstance(verdict, Later):
                self._outbox.postpone([row.seq], verdict.at_ms)
        for row, reason in refused:
            _log.error("The ledger refused turn %s for good: %s.", row.turn_id, reason)
            if self._on_refused is not None:
                try:
                    self._on_refused(Refused(row.turn_id, reason, row.body))
                except Exception:
                    _log.exception("on_refused failed.")

    def log_seldom(self, text: str) -> None:
        """Log a warning, at most one a minute."""
        now_s = time.monotonic()
        if now_s - self._logged_at_s >= _LOG_EVERY_S:
            self._logged_at_s = now_s
            _log.warning("%s", text)


def _completion_of(row: Row) -> Request:
    return requests.complete(row.interaction_id or "", row.body)


def _cut(rows: Sequence[Row]) -> list[list[Row]]:
    """Cut rows into batches that the ledger takes by their bytes."""
    batches: list[list[Row]] = []
    size = MAX_BATCH_BYTES
    for row in rows:
        bytes_count = len(row.body) + 64
        if size + bytes_count > MAX_BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(row)
        size += bytes_count
    return batches


def _judge(row: Row, result: object, now_ms: int) -> Verdict:
    error = result.get("error") if isinstance(result, dict) else None
    if not isinstance(error, dict):
        return DELIVERED
    return judge_error(row, exception(error, status=None, turn_id=row.turn_id), now_ms)


def _leave_half(answer: Answer) -> Pause | None:
    """Pause if less than half a second of the bucket is left, so that other calls find tokens."""
    try:
        rate = float(answer.headers["x-ratelimit-limit"])
        remaining = float(answer.headers["x-ratelimit-remaining"])
    except (KeyError, ValueError):
        return None
    missing = rate / 2 - remaining
    return Pause(missing / rate) if missing > 0 and rate > 0 else None
