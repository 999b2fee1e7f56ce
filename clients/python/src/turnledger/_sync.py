"""The synchronous ledger."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from ._asking import Asker
from ._core import requests
from ._core.config import OnUnavailable, Send, resolve
from ._core.identity import (
    Identity,
    current_defaults,
    defaults_inside,
    enter_turn,
    leave_turn,
)
from ._core.ids import new_turn_id
from ._core.retries import RECORD_TRIES, Policy
from ._core.values import Answer, Request
from ._keeper import Keeper
from ._reads import Reads
from ._recording import complete_one, record_in_batches, record_one
from ._reserving import begin, reserve
from ._turn import OpenTurn
from .types import BatchResult, Recorded, Refused, Reservation, Stats, Turn

if TYPE_CHECKING:
    import httpx

    from ._outbox.base import Store

C = TypeVar("C")


class Ledger(Reads):
    """A client of a ledger. Safe between threads, and after a fork; `with Ledger()` closes it.

    The constructor opens no file and no socket. It raises ConfigurationError for a missing or
    malformed URL or key. Times are in seconds.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        personality_id: str | None = None,
        on_unavailable: OnUnavailable | None = None,
        reserve_timeout_s: float = 1.0,
        timeout_s: float = 10.0,
        send: Send | None = None,
        inline_timeout_s: float = 5.0,
        exit_timeout_s: float = 2.0,
        outbox: str | os.PathLike[str] | None = None,
        outbox_max_turns: int = 100_000,
        fsync: bool | None = None,
        on_refused: Callable[[Refused], None] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        from ._http import HttpExchange

        self._config = resolve(
            url,
            key,
            personality_id=personality_id,
            on_unavailable=on_unavailable,
            reserve_timeout_s=reserve_timeout_s,
            timeout_s=timeout_s,
            send=send,
            inline_timeout_s=inline_timeout_s,
            exit_timeout_s=exit_timeout_s,
            outbox=outbox,
            outbox_max_turns=outbox_max_turns,
            fsync=fsync,
        )
        self._http = HttpExchange(self._config, transport)
        self.keeper = Keeper(self._config, self._http, on_refused)
        self._asker = Asker(self.keeper.exchange, self.keeper.breaker)
        self._own = Identity(personality_id=self._config.personality_id)

    def record(self, turn: Turn) -> Recorded:
        """Record a finished turn; without an answer it is `queued` in the outbox.

        Raises QuotaExhaustedError, ConflictError for other content under the same `turn_id`,
        ValidationError, OutboxFullError, and LedgerUnavailable if the outbox is in memory.
        """
        return record_one(self, turn)

    def record_many(self, turns: Iterable[Turn], *, concurrency: int = 4) -> Iterator[BatchResult]:
        """Record turns in batches of up to 500; yield the outcome of each, in order.

        Sends up to `concurrency` batches at once, and reads that many ahead. A refused turn has its
        `error`. A turn without an answer is `queued`. If the outbox is in memory it is `refused`
        with a LedgerUnavailable: it may be stored, and it is safe to send it again.
        """
        return record_in_batches(self, turns, concurrency)

    def reserve(
        self,
        *,
        turn_id: str | None = None,
        hold_seconds: int | None = None,
        user_id: str | None = None,
        relationship_id: str | None = None,
        personality_id: str | None = None,
        mode: str | None = None,
    ) -> Reservation:
        """Hold a turn of the quota for `hold_seconds` (10 to 3,600; 150 by default).

        Raises QuotaExhaustedError: do not call the model. RateLimitError,
        TurnAlreadyRecordedError, LedgerUnavailable.
        """
        who = self.identify(Identity(user_id, relationship_id, personality_id, mode))
        return reserve(self, turn_id or new_turn_id(), who, hold_seconds)

    def complete(self, reservation: Reservation, turn: Turn) -> Recorded:
        """Record a reserved turn; never refused for quota. As `record` without an answer.

        `turn.turn_id` and `turn.occurred_at` are those of the reservation.
        """
        return complete_one(self, reservation, turn)

    def cancel(self, reservation: Reservation) -> None:
        """Give a reservation back, unbilled. Without an answer it expires by itself."""
        if not self._config.is_disabled:
            request = requests.cancel(reservation.interaction_id)
            self.ask(request, turn_id=reservation.turn_id)

    @contextmanager
    def turn(
        self,
        *,
        user_id: str | None = None,
        relationship_id: str | None = None,
        personality_id: str | None = None,
        mode: str | None = None,
        turn_id: str | None = None,
        reserve: bool = True,
        hold_seconds: int | None = None,
        on_unavailable: OnUnavailable | None = None,
    ) -> Iterator[OpenTurn]:
        """Run a turn: reserve it, measure what happens in the block, and record it at the end.

        Raises on entry only:

        * QuotaExhaustedError: the quota is spent or held;
        * TurnAlreadyRecordedError, TurnCancelledError, ReservationMismatchError, ConflictError:
          `turn_id` was used before;
        * ValidationError: a participant is missing or malformed;
        * LedgerUnavailable with `on_unavailable="raise"`: the ledger does not answer, limits the
          rate, or refuses the key. Without "raise" the block runs unheld, and is recorded later.
        """
        who = self.identify(Identity(user_id, relationship_id, personality_id, mode))
        turn = self.begin(
            who,
            turn_id=turn_id,
            reserve=reserve,
            hold_seconds=hold_seconds,
            on_unavailable=on_unavailable,
        )
        enter_turn(turn)
        try:
            yield turn
        except BaseException as error:
            leave_turn(turn)
            turn.leave(error)
            raise
        leave_turn(turn)
        turn.leave(None)

    def wrap(
        self,
        client: C,
        *,
        provider: str | None = None,
        include_usage: bool | str = "auto",
        reserve: bool = False,
        user_id: str | None = None,
        relationship_id: str | None = None,
        personality_id: str | None = None,
    ) -> C:
        """Return a copy of an `openai` or `anthropic` client whose calls are recorded.

        Its class and its connections stay. Inside `turn()` a call belongs to the turn, outside
        each call is a turn of its own, reserved if `reserve`; a reservation raises as `turn`.
        Raises TypeError for another client, ValidationError for a participant that is no str, and
        ConfigurationError for a client that another ledger has wrapped.
        """
        from ._wrap import wrap

        who = Identity(user_id, relationship_id, personality_id)
        return wrap(
            client,
            self,
            provider=provider,
            include_usage=include_usage,
            reserve=reserve,
            who=who,
        )

    @contextmanager
    def identity(
        self,
        *,
        user_id: str | None = None,
        relationship_id: str | None = None,
        personality_id: str | None = None,
    ) -> Iterator[None]:
        """Set defaults for the turns inside the block."""
        with defaults_inside(Identity(user_id, relationship_id, personality_id)):
            yield

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing waits to be sent; return False after `timeout_s` seconds."""
        return self._config.is_disabled or self.keeper.sender.flush(timeout_s)

    def close(self, timeout_s: float = 2.0) -> bool:
        """Send for `timeout_s` seconds at most and close; return True if nothing is left."""
        is_empty = self.keeper.close(timeout_s)
        self._http.close()
        return is_empty

    def stats(self) -> Stats:
        """Return figures of this process."""
        counted = self.keeper.counters
        return Stats(
            delivered=counted.delivered,
            refused=counted.refused,
            calls_without_usage=counted.calls_without_usage,
            wrapper_errors=counted.wrapper_errors,
            outlived_holds=counted.outlived_holds,
            lost=counted.lost,
            clock_skew_s=self.keeper.clock.skew_s,
            obstacle=self.keeper.sender.obstacle,
        )

    @property
    def outbox(self) -> Store:
        """The turns that the ledger does not have yet."""
        return self.keeper.outbox

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({self._config.url!r})"

    def identify(self, who: Identity) -> Identity:
        """Return `who` with the defaults of the context and of this ledger."""
        return who.over(self.defaults())

    def defaults(self) -> Identity:
        """Return the defaults of the context and of this ledger."""
        return current_defaults().over(self._own)

    @property
    def is_disabled(self) -> bool:
        """Return True if `TURNLEDGER_DISABLED` is set."""
        return self._config.is_disabled

    def ask(
        self,
        request: Request,
        *,
        turn_id: str | None = None,
        budget_s: float | None = None,
        tries_count: int = RECORD_TRIES,
    ) -> Answer:
        """Return the success that `request` is answered with, repeated as the policy allows."""
        policy = Policy(budget_s or self._config.timeout_s, tries_count)
        return self._asker.ask(request, policy, turn_id)

    def begin(
        self,
        who: Identity,
        *,
        turn_id: str | None = None,
        reserve: bool,
        hold_seconds: int | None = None,
        on_unavailable: OnUnavailable | None = None,
    ) -> OpenTurn:
        """Open a turn of `who`, which is identified already. Raises as `turn` on entry."""
        return begin(
            self,
            who,
            turn_id,
            hold_seconds,
            on_unavailable,
            is_held=reserve,
        )
