"""Keep the turns of this process: in the outbox, through the sender, with counters beside them."""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from ._core import requests
from ._core.answers import json_of
from ._core.breaker import Breaker
from ._core.clock import LedgerClock
from ._core.config import Config
from ._core.counters import Counters
from ._core.values import Answer, Exchange, Request, State
from ._outbox import forks
from ._outbox.choosing import choose_outbox
from ._outbox.store import Outbox
from ._sender import Sender
from .errors import NetworkError, OutboxError, TurnledgerError
from .types import Refused

if TYPE_CHECKING:
    from ._turn import OpenTurn

_log = logging.getLogger("turnledger")


class Keeper:
    """What all turns of a ledger share. Nothing is opened or started before the first turn."""

    def __init__(
        self,
        config: Config,
        exchange: Exchange,
        on_refused: Callable[[Refused], None] | None = None,
    ) -> None:
        self.config = config
        self.clock = LedgerClock()
        self.breaker = Breaker()
        self.counters = Counters()
        self._send_once = exchange
        self._asking = threading.local()
        self.outbox = choose_outbox(
            config.outbox,
            config.account,
            max_turns=config.outbox_max_turns,
            fsync=config.fsync,
            now_ms=self.clock.local_ms,
        )
        self.is_durable = isinstance(self.outbox, Outbox)
        self.sender = Sender(
            self.outbox,
            self.exchange,
            breaker=self.breaker,
            on_refused=on_refused,
            stats=self.counters,
            mode=config.send,
            inline_timeout_s=config.inline_timeout_s,
            is_asking=self.is_asking,
        )
        # A turn whose stream nobody holds any more is ended by its weak reference: `_wrap.streams`.
        self._open_turns: set[OpenTurn] = set()
        self._logged: set[str] = set()
        atexit.register(_close_at_exit, weakref.ref(self))
        forks.register(self)

    def begin(self, turn: OpenTurn, body: str) -> int | None:
        """Keep a turn that begins; None if the outbox cannot, or if everything is disabled."""
        if self.config.is_disabled:
            return None
        self._open_turns.add(turn)
        try:
            return self.outbox.open(turn.turn_id, body, turn.interaction_id)
        except Exception as error:
            self.log_once("outbox", "A turn could not be kept: %s", _shown(error))
            return None

    def end(self, seq: int | None, turn: OpenTurn, state: State | None, body: str) -> None:
        """Let a turn be sent; `state` None records nothing. Never raises."""
        if self.config.is_disabled:
            return
        self._open_turns.discard(turn)
        try:
            if seq is None or not self._has_kept_end(seq, state, body):
                self._send_directly(turn, state, body)
        except Exception as error:
            self.counters.lost += 1
            _log.error("Turn %s is lost: %s", turn.turn_id, _shown(error))

    def before_fork(self) -> None:
        """Let turns go on in the parent."""

    def after_fork_in_parent(self) -> None:
        """Change nothing."""

    def after_fork_in_child(self) -> None:
        """Begin without the parent's turns, and with a breaker whose lock is free."""
        self._open_turns = set()
        self.breaker.renew_lock()

    def is_asking(self) -> bool:
        """Return True inside of a request of this thread: another would wait for its locks.

        The garbage collector may end a stream there that nobody holds.
        """
        return getattr(self._asking, "is_inside", False)

    def exchange(self, request: Request, timeout_s: float) -> Answer:
        """Send one request once, and learn the ledger's clock from its answer."""
        if self.is_asking():
            raise NetworkError("This thread is in the middle of another request.")
        self._asking.is_inside = True
        try:
            answer = self._send_once(request, timeout_s)
        finally:
            self._asking.is_inside = False
        self.clock.learn_from_date(answer.headers.get("date"))
        return answer

    def close(self, timeout_s: float) -> bool:
        """Settle streams that are still open, and send for so many seconds at most."""
        if self.config.is_disabled:
            return True
        for turn in list(self._open_turns):
            turn.settle_streams()
        try:
            self.sender.close(timeout_s)
            waiting_count = self.outbox.waiting()
            self.outbox.close()
        except OutboxError as error:
            self.log_once("close", "The outbox could not be closed: %s", error)
            return False
        if waiting_count and not self.is_durable:
            self.counters.lost += waiting_count
            _log.error("Turns are lost, because the outbox is in memory: %d", waiting_count)
        return not waiting_count

    def log_once(self, kind: str, text: str, *values: object) -> None:
        """Log a warning once for each kind."""
        if kind not in self._logged:
            self._logged.add(kind)
            _log.warning(text, *values)

    def _has_kept_end(self, seq: int, state: State | None, body: str) -> bool:
        try:
            if state is None:
                self.outbox.drop(seq)
            else:
                self.outbox.end(seq, state, body)
                self.sender.wake()
        except Exception as error:
            self.log_once("outbox", "A turn could not be kept: %s", _shown(error))
            return False
        return True

    def _send_directly(self, turn: OpenTurn, state: State | None, body: str) -> None:
        """Send a turn that the outbox could not keep, once."""
        if state is None:
            return
        interaction_id = turn.interaction_id or ""
        request: Request = {
            State.RECORD: lambda: requests.record(body),
            State.COMPLETE: lambda: requests.complete(interaction_id, body),
            State.CANCEL: lambda: requests.cancel(interaction_id),
        }[state]()
        json_of(self.exchange(request, self.config.inline_timeout_s))


def _shown(error: Exception) -> str:
    """Return what a log may show: other packages' messages may have anything."""
    return str(error) if isinstance(error, TurnledgerError) else type(error).__name__


def _close_at_exit(reference: weakref.ref[Keeper]) -> None:
    keeper = reference()
    if keeper is not None:
        keeper.close(keeper.config.exit_timeout_s)
