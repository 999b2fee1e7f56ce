"""Send rows of an outbox, one request a step. Nothing here waits or starts a thread."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from .._core.counters import Counters
from .._core.values import Answer, Exchange, Request, Row, State
from ..errors import LedgerUnavailable
from ..types import Refused
from . import fates, requests
from .base import Store
from .export import instant_of_hold_end, refused_of
from .fates import Fate, Kind, Reaction
from .pacing import Pacing
from .requests import Shipment

_log = logging.getLogger("turnledger")
_LOG_EVERY_S = 60.0


class Breaker(Protocol):
    """Learn from each request whether the ledger answers."""

    def answered(self) -> None:
        """Note an answer."""

    def unanswered(self) -> None:
        """Note a missing answer."""


class Delivery:
    """Send what is due and settle each row by its answer."""

    def __init__(
        self,
        outbox: Store,
        exchange: Exchange,
        *,
        breaker: Breaker,
        on_refused: Callable[[Refused], None] | None,
        stats: Counters,
        now_ms: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pacing = Pacing(monotonic)
        self._outbox = outbox
        self._exchange = exchange
        self._breaker = breaker
        self._on_refused = on_refused
        self._stats = stats
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._logged_at = -_LOG_EVERY_S
        self._completes_singly = False
        self._most_rows = requests.MOST_ROWS
        self._most_bytes = requests.MOST_BYTES
        self._knows_account = False
        # Why the last request was no success, as a sentence.
        self.obstacle: str | None = None

    def step(self, timeout_s: float) -> bool:
        """Send one request if something is due; return False if nothing is.

        The caller respects `pacing`.
        """
        now_ms = self._now_ms()
        rows = self._outbox.due(now_ms, requests.MOST_ROWS)
        if not rows:
            return False
        shipment = self._shipment(rows, now_ms)
        if shipment is None:
            return True
        answer = self._ask(shipment.request, timeout_s, partial(_is_ledgers, shipment))
        if answer is not None:
            self._settle(shipment, answer, timeout_s)
        self.pacing.leave_half(shipment.tokens)
        return True

    def identify(self, timeout_s: float) -> bool:
        """Ask once for the key's organization; return True if it is new to the outbox."""
        if self._knows_account or not self._outbox.needs_identity():
            self._knows_account = True
            return False
        answer = self._ask(Request("GET", "/v1/me"), timeout_s)
        if answer is None or answer.status != 200:
            return False
        self._knows_account = True
        try:
            me = json.loads(answer.body)
            organization_id, environment = me["organization"]["id"], me["environment"]
        except (ValueError, LookupError, TypeError):
            return False
        self._outbox.identify(str(organization_id), str(environment))
        return True

    def _shipment(self, rows: Sequence[Row], now_ms: int) -> Shipment | None:
        """Choose what to send first: cancels free slots for others."""
        cancels = [row for row in rows if row.state is State.CANCEL]
        expired = [row.seq for row in cancels if instant_of_hold_end(row) <= now_ms]
        if expired:
            self._outbox.delivered(expired)
            return None
        if cancels:
            return requests.cancel(cancels[0])
        if rows[0].state is State.COMPLETE and self._completes_singly:
            return requests.single_completion(rows[0])
        most_rows = self.pacing.most_rows(self._most_rows)
        return requests.batch_of(rows, most_rows, self._most_bytes)

    def _ask(
        self,
        request: Request,
        timeout_s: float,
        is_ledgers: Callable[[Answer], bool] = lambda answer: bool(fates.object_of(answer)),
    ) -> Answer | None:
        """Return the ledger's answer; None after waits were noted for a missing one."""
        try:
            answer = self._exchange(request, timeout_s)
        except LedgerUnavailable as error:
            self.obstacle = f"The ledger did not answer ({type(error).__name__})."
            self._miss()
            return None
        self.obstacle = None if answer.status < 400 else f"The ledger answered {answer.status}."
        reaction = fates.reaction_to(answer)
        # Pages of proxies are 200, too.
        is_page = reaction is Reaction.ACCEPTED and not is_ledgers(answer)
        if reaction is Reaction.UNAVAILABLE or is_page:
            self._miss(answer)
            return None
        self._breaker.answered()
        if reaction is Reaction.LIMITED:
            self.pacing.limited(answer.headers)
            return None
        self.pacing.answered(answer.headers)
        if reaction is Reaction.STOPPED:
            self._stop(answer)
            return None
        return answer

    def _miss(self, answer: Answer | None = None) -> None:
        self._breaker.unanswered()
        self.pacing.unanswered(answer.headers if answer is not None else None)

    def _stop(self, answer: Answer) -> None:
        self.pacing.stopped()
        now = self._monotonic()
        if now - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = now
            _log.error(
                "The ledger answers %d to this key: turns are kept, the next try is in a minute",
                answer.status,
            )

    def _settle(self, shipment: Shipment, answer: Answer, timeout_s: float) -> None:
        reaction = fates.reaction_to(answer)
        is_alone = len(shipment.rows) == 1
        if reaction is Reaction.ACCEPTED:
            self._settle_accepted(shipment, answer, timeout_s)
        elif reaction is Reaction.MISSING and shipment.is_batch:
            self._settle_missing(shipment, answer)
        elif shipment.is_batch and not is_alone:
            self._halve(shipment, reaction)
        elif reaction is Reaction.TOO_LARGE:
            self._most_bytes = requests.MOST_BYTES
            self._apply([(shipment.rows[0], Fate(Kind.REFUSED, "413 payload_too_large"))])
        else:
            self._settle_one(shipment.rows[0], answer, timeout_s)

    def _settle_accepted(self, shipment: Shipment, answer: Answer, timeout_s: float) -> None:
        if not shipment.is_batch:
            self._apply([(shipment.rows[0], fates.DELIVERED)])
            return
        self._most_rows = min(requests.MOST_ROWS, self._most_rows * 2)
        now_ms, ledger_ms = self._now_ms(), fates.server_ms(answer)
        pairs = [
            (row, fates.fate_of_result(row, result, now_ms, ledger_ms))
            for row, result in zip(shipment.rows, fates.results_of(answer), strict=True)
        ]
        self._apply([self._looked_up(row, fate, timeout_s) for row, fate in pairs])

    def _settle_missing(self, shipment: Shipment, answer: Answer) -> None:
        if shipment.rows[0].state is State.COMPLETE:
            self._completes_singly = True
        else:
            self._stop(answer)

    def _settle_one(self, row: Row, answer: Answer, timeout_s: float) -> None:
        error = fates.error_of(answer)
        if error is None:  # a page of a proxy, or a wrong address
            self._stop(answer)
            return
        now_ms, ledger_ms = self._now_ms(), fates.server_ms(answer)
        fate = fates.fate_of_error(row, answer.status, error, now_ms, ledger_ms)
        self._apply([self._looked_up(row, fate, timeout_s)])

    def _halve(self, shipment: Shipment, reaction: Reaction) -> None:
        """Send half next time: in the end the turn that the ledger refuses is alone."""
        if reaction is Reaction.TOO_LARGE:
            self._most_bytes = len(shipment.request.body or b"") // 2
        else:
            self._most_rows = len(shipment.rows) // 2

    def _looked_up(self, row: Row, fate: Fate, timeout_s: float) -> tuple[Row, Fate]:
        """Read what is stored if the ledger gave no reason for a conflict."""
        if fate.kind is not Kind.LOOK_UP:
            return row, fate
        answer = self._ask(requests.look_up(row), timeout_s)
        if answer is None:
            return row, fates.KEPT
        found: Any = fates.json_of(answer)
        items = found.get("data", [found]) if isinstance(found, dict) else []
        if (
            isinstance(items, list)
            and items
            and isinstance(items[0], dict)
            and fates.is_same_turn(row.body, items[0])
        ):
            return row, fates.DELIVERED
        return row, Fate(Kind.REFUSED, "409 conflict")

    def _apply(self, pairs: Sequence[tuple[Row, Fate]]) -> None:
        """Write the fates: one transaction for each kind."""
        delivered = [row.seq for row, fate in pairs if fate.kind is Kind.DELIVERED]
        self._outbox.delivered(delivered)
        self._stats.delivered += len(delivered)
        for row, fate in pairs:
            if fate.kind is Kind.POSTPONED:
                self._outbox.postpone([row.seq], fate.due_ms)
        kept = [row.seq for row, fate in pairs if fate.kind is Kind.KEPT]
        if kept:
            self.pacing.unanswered()
            self._outbox.postpone(kept, 0)
        refused = [(row, fate.reason) for row, fate in pairs if fate.kind is Kind.REFUSED]
        if refused:
            self._outbox.refuse([(row.seq, reason) for row, reason in refused])
            self._stats.refused += len(refused)
            self._report(refused)

    def _report(self, refused: Sequence[tuple[Row, str]]) -> None:
        for row, reason in refused:
            _log.warning("The ledger refused a turn", extra={"reason": reason})
            if self._on_refused is not None:
                try:
                    self._on_refused(refused_of(row, reason))
                except Exception:
                    self._stats.wrapper_errors += 1
                    _log.exception("on_refused failed")


def _is_ledgers(shipment: Shipment, answer: Answer) -> bool:
    """Return True if a 2xx answers this request, and is no page of a proxy."""
    if shipment.is_batch:
        return len(fates.results_of(answer)) == len(shipment.rows)
    return answer.status == 204 or "interaction_id" in fates.object_of(answer)
