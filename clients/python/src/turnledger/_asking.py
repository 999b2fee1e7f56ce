"""Send a foreground request, and repeat it as its policy allows."""

from __future__ import annotations

from time import sleep

from ._core.answers import error_of
from ._core.breaker import Breaker
from ._core.retries import Attempts, Policy
from ._core.values import Answer, Exchange, Request
from .errors import LedgerUnavailable, TurnledgerError


class Asker:
    """Asks through the breaker that foreground and sender share."""

    def __init__(self, exchange: Exchange, breaker: Breaker) -> None:
        self._exchange = exchange
        self._breaker = breaker

    def ask(self, request: Request, policy: Policy, turn_id: str | None = None) -> Answer:
        """Return a success, or raise the last error."""
        attempts = Attempts(policy)
        while True:
            try:
                return self._try(request, attempts.timeout_s(), turn_id)
            except TurnledgerError as error:
                wait_s = attempts.wait_s(error)
                if wait_s is None:
                    raise
                sleep(wait_s)

    def _try(self, request: Request, timeout_s: float, turn_id: str | None) -> Answer:
        self._breaker.require_closed()
        try:
            answer = self._exchange(request, timeout_s)
        except LedgerUnavailable as error:
            error.turn_id = turn_id
            self._breaker.unanswered()
            raise
        if 200 <= answer.status < 300:
            self._breaker.answered()
            return answer
        refusal = error_of(answer, turn_id)
        if isinstance(refusal, LedgerUnavailable):
            self._breaker.unanswered()
        else:
            self._breaker.answered()
        raise refusal
