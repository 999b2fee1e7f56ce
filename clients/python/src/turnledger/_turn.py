"""A turn that runs: its model calls, its measures, and its end."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextvars import copy_context
from functools import lru_cache, wraps
from threading import RLock
from time import monotonic
from typing import Any, TypeVar, overload

from ._call import Call, measured
from ._core.clock import format_ms, parse_ms
from ._core.ending import PRODUCER_LOST, End, Signs, end_of, outcome_of
from ._core.identity import Identity
from ._core.requests import dump, people
from ._core.usages import CallUsage, plain, summed, text_or_none
from ._core.values import Account, Outcome, State
from ._keeper import Keeper
from .errors import TurnClosedError
from .types import Quota

T = TypeVar("T")
R = TypeVar("R")
_LONGEST_MS = 86_400_000


class OpenTurn:
    """A turn between its beginning and its end.

    It completes once its block has ended **and** every model call in it has ended. Safe between
    threads; a thread that shall belong to it needs `bind`.
    """

    def __init__(
        self,
        keeper: Keeper,
        who: Identity,
        turn_id: str,
        *,
        interaction_id: str | None = None,
        expires_at: str | None = None,
        quota: Quota | None = None,
        outer: OpenTurn | None = None,
        turns_consumed: int | None = None,
    ) -> None:
        self.turn_id = turn_id
        self.interaction_id = interaction_id
        self.expires_at = expires_at
        self.quota = quota
        self.calls = 0
        self.outer = outer
        self.has_left = False
        self.process_id = os.getpid()
        self._keeper = keeper
        self._who = who
        self._turns_consumed = turns_consumed
        # A stream that nobody holds ends in the garbage collector, perhaps inside of this lock.
        self._lock = RLock()
        self._started_s = monotonic()
        self._started_ms = keeper.clock.now_ms()
        self._ended_s = self._started_s
        self._first_token_s: float | None = None
        self._open_calls: list[Call] = []
        self._usages: list[CallUsage] = []
        self._more: dict[str, Any] = {}
        self._guardrails: list[str] = []
        # Not the exception: its traceback holds streams of the block, which would never end.
        self._raised: tuple[Outcome, str] | None = None
        self._failed_code: str | None = None
        self._is_cancelled = False
        self._has_started = False
        self._is_completed = False
        self._last_call: tuple[Outcome, str | None] | None = None
        self._is_last_outside = False
        self._late_count = 0
        self._seq = keeper.begin(self, self._body(End("failed", PRODUCER_LOST)))

    @property
    def account(self) -> Account:
        """The ledger and the key that this turn is recorded with."""
        return self._keeper.config.account

    @property
    def is_reserved(self) -> bool:
        """Return True if the ledger holds this turn's quota."""
        return self.interaction_id is not None

    def started(self) -> None:
        """Note that a model call begins: an exception from now on is a failed turn."""
        self._require_open()
        self._has_started = True

    def first_token(self) -> None:
        """Note that the first token has arrived."""
        self._require_open()
        self._has_started = True
        if self._first_token_s is None:
            self._first_token_s = monotonic()

    def usage(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        provider: str | None = None,
        model: str | None = None,
    ) -> None:
        """Add tokens of a model call; provider and model of the largest output are recorded."""
        self._require_open()
        self._has_started = True
        self._usages.append((provider, model, input_tokens, output_tokens))

    def answered(self, response: object, *, provider: str | None = None) -> None:
        """Read usage and model of an answer of a known shape; the text is not read."""
        from ._wrap.shapes import usage_of

        found = usage_of(response)
        self.usage(
            input_tokens=found.input_tokens,
            output_tokens=found.output_tokens,
            provider=provider,
            model=found.model,
        )

    @overload
    def stream(self, items: Iterable[T]) -> Iterator[T]: ...
    @overload
    def stream(self, items: AsyncIterable[T]) -> AsyncIterator[T]: ...
    def stream(self, items: Any) -> Any:
        """Return the items, measured: the turn stays open until they end or are closed."""
        self._require_open()
        call = self.call_started()
        return measured(items, call)

    def guardrail(self, *names: str) -> None:
        """Note guardrails that changed the answer."""
        self._require_open()
        self._guardrails.extend(names)

    def emotion(self, primary: str, **more: Any) -> None:
        """Note the user's mood, by the fields of `EmotionalState`."""
        self._require_open()
        self._more["inferred_emotional_state"] = {"primary": primary, **more}

    def memory(self, *, consulted: bool = True, **more: Any) -> None:
        """Note the use of memory, by the fields of `Memory`."""
        self._require_open()
        self._more["memory"] = {"consulted": consulted, **more}

    def fail(self, error_code: str) -> None:
        """Record the turn as failed, for this reason."""
        self._require_open()
        self._has_started = True
        self._failed_code = error_code

    def cancel(self) -> None:
        """Record nothing, and give the reservation back when the block ends."""
        self._require_open()
        self._is_cancelled = True

    def bind(self, function: Callable[..., R]) -> Callable[..., R]:
        """Return `function` so that it belongs to this turn in any thread."""
        context = copy_context()

        @wraps(function)
        def bound(*arguments: Any, **options: Any) -> R:
            # A context can be entered by one thread at a time.
            return context.copy().run(function, *arguments, **options)

        return bound

    def call_started(self) -> Call:
        """Begin a model call; after the turn has completed it is a late turn of its own."""
        with self._lock:
            if not self._is_completed:
                call = Call(self)
                self._open_calls.append(call)
                self.calls += 1
                self._has_started = True
                return call
            self._late_count += 1
            number = self._late_count
        late = OpenTurn(self._keeper, self._who, f"{self.turn_id}.late-{number}", turns_consumed=0)
        call = late.call_started()
        late.leave(None)
        return call

    def note_end(
        self, call: Call, outcome: Outcome, error_code: str | None, guardrails: tuple[str, ...]
    ) -> None:
        """Take over what a call has measured; complete the turn after the last one.

        Only the first end of a call counts: its reader and the collector may both end it.
        """
        with self._lock:
            if call.is_ended:
                return
            call.is_ended = True
            call.outcome, call.error_code, call.guardrails = outcome, error_code, guardrails
            self._ended_s = max(self._ended_s, call.last_s or monotonic())
            self._last_call = call.outcome, call.error_code
            self._is_last_outside = self.has_left
            if call.first_token_s is not None:
                first = self._first_token_s
                self._first_token_s = call.first_token_s if first is None else first
            self._guardrails.extend(call.guardrails)
            tokens = call.input_tokens, call.output_tokens
            self._usages.append((call.provider, call.model, *tokens))
            # Last: another call may end in the middle of this method.
            self._open_calls.remove(call)
            is_last = self.has_left and not self._open_calls
        if is_last:
            self._complete()

    def give_back(self) -> None:
        """End a turn that nobody runs: it is not recorded, and its reservation is free again."""
        self.cancel()
        self.leave(None)

    def leave(self, error: BaseException | None) -> None:
        """End the block; the turn completes now, or with its last open call."""
        with self._lock:
            if self.has_left:
                return
            self.has_left = True
            self._raised = None if error is None else outcome_of(error)
            if not self._open_calls:
                self._ended_s = monotonic()
            is_last = not self._open_calls
        if is_last:
            self._complete()

    def settle_streams(self) -> None:
        """End calls that are open although the block has ended: the process ends."""
        if self.has_left:
            for call in list(self._open_calls):
                call.leave()

    def _complete(self) -> None:
        with self._lock:
            if self._is_completed:
                return
            self._is_completed = True
        end = end_of(
            Signs(
                raised=self._raised,
                failed_code=self._failed_code,
                is_cancelled=self._is_cancelled,
                has_started=self._has_started,
                has_token=self._first_token_s is not None or self._has_answer(),
                last_call=self._last_call,
                is_last_outside=self._is_last_outside,
            )
        )
        self._note_hold()
        if end.status is None:
            state = State.CANCEL if self.is_reserved else None
        else:
            state = State.COMPLETE if self.is_reserved else State.RECORD
        body = "{}" if end.status is None else self._last_body(end)
        self._keeper.end(self._seq, self, state, body)

    def _has_answer(self) -> bool:
        """Return True if a model has written: a call without a stream has no first token."""
        return any(written for *_, written in self._usages)

    def _note_hold(self) -> None:
        expires_ms = parse_ms(self.expires_at) if self.expires_at else None
        if expires_ms is not None and self._keeper.clock.now_ms() > expires_ms:
            self._keeper.counters.outlived_holds += 1
            self._keeper.log_once(
                "hold", "A turn ran longer than its hold: pass a longer hold_seconds to turn()."
            )

    def _last_body(self, end: End) -> str:
        """Return the body of the end, without values that the program gave and JSON lacks."""
        try:
            return self._body(end)
        except Exception as error:
            self._keeper.counters.wrapper_errors += 1
            kind = type(error).__name__
            self._keeper.log_once(f"body {kind}", "Values of a turn are left out (%s).", kind)
        self._more = {}
        self._guardrails = [name for name in self._guardrails if isinstance(name, str)]
        self._usages = plain(self._usages)
        return self._body(End(end.status, text_or_none(end.error_code)))

    def _body(self, end: End) -> str:
        """Return the JSON of a recording, or of a completion if the turn is reserved."""
        occurred = ""
        if self.interaction_id is None:
            occurred = f'"occurred_at":"{format_ms(self._started_ms)}",'
        rest: dict[str, Any] = {
            "status": end.status,
            "latency_ms": _ms(self._ended_s - self._started_s),
        }
        if self._first_token_s is not None:
            rest["time_to_first_token_ms"] = _ms(self._first_token_s - self._started_s)
        usage = self._usage()
        if usage:
            rest["usage"] = usage
        if self._guardrails:
            rest["guardrails"] = {"applied": list(dict.fromkeys(self._guardrails))}
        if end.error_code is not None:
            rest["error_code"] = end.error_code
        rest.update(self._more)
        head = f'{{"turn_id":{json.dumps(self.turn_id)},{occurred}{_people_json(self._who)},'
        return head + dump(rest)[1:]

    def _usage(self) -> dict[str, Any]:
        charged = {} if self._turns_consumed is None else {"turns_consumed": self._turns_consumed}
        return charged | summed(self._usages)

    def _require_open(self) -> None:
        if self._is_completed:
            raise TurnClosedError("The turn has ended.", turn_id=self.turn_id)


@lru_cache(maxsize=1_024)
def _people_json(who: Identity) -> str:
    return dump(people(who))[1:-1]


def _ms(seconds: float) -> int:
    """Return milliseconds; the ledger takes a day at most."""
    return min(round(seconds * 1_000), _LONGEST_MS)
