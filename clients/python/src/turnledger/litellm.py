"""A LiteLLM logger: each attempt that LiteLLM makes is a turn.

    litellm.callbacks = [TurnLogger(ledger, gate=True)]

In a proxy's YAML: `callbacks: turnledger.litellm.logger`, with the `TURNLEDGER_*` variables.

LiteLLM calls back by its own rules. A stream that is left early gets no callback, so its turn is
recorded as failed, `outcome_unknown`, after an hour.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from litellm.integrations.custom_logger import CustomLogger

from ._call import Call
from ._core.identity import Identity
from ._core.values import Outcome
from ._wrap import shapes
from ._wrap.streams import note_fault
from .errors import QuotaExhaustedError

if TYPE_CHECKING:
    from ._sync import Ledger
    from ._turn import OpenTurn

T = TypeVar("T")

OPEN_FOR_S = 3_600.0
UNKNOWN = "outcome_unknown"
Identify = Callable[[dict[str, Any]], dict[str, str | None]]


class TurnLogger(CustomLogger):
    """Records each call of LiteLLM.

    * `identify(kwargs)` returns `user_id`, `relationship_id` and `personality_id` of a call, from
      LiteLLM's arguments. Without it a call has the ledger's personality alone: what customers
      write into a request identifies nobody.
    * `gate`: LiteLLM's proxy reserves each turn, and refuses a call if the quota is spent.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        identify: Identify | None = None,
        gate: bool = False,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._ledger = ledger
        self._identify = identify
        self._gate = gate
        self._reserved: Waiting[OpenTurn] = Waiting(monotonic_s)
        self._open: Waiting[Call] = Waiting(monotonic_s)

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:
        """Open a turn before the provider is asked."""
        try:
            self._settle_old()
            turn = self._reserved.pop(_id_of(kwargs))
            if turn is None:
                turn = self._ledger.begin(self._who(kwargs), reserve=False)
            call = turn.call_started()
            turn.leave(None)
            call.model = shapes.model_of(model)
            self._open.add(_id_of(kwargs), call)
        except Exception as error:
            note_fault(self._ledger.keeper, error)

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: Any, call_type: Any
    ) -> None:
        """Reserve a turn for a call of the proxy; QuotaExhaustedError refuses the call."""
        if not self._gate:
            return
        try:
            who = self._who(data)
            turn = await asyncio.to_thread(self._ledger.begin, who, reserve=True)
            self._reserved.add(_id_of(data), turn)
        except QuotaExhaustedError:
            raise
        except Exception as error:
            note_fault(self._ledger.keeper, error)

    def log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """End the turn with what the provider answered."""
        self._end(kwargs, lambda call: self._succeed(call, kwargs, response_obj))

    def log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """End the turn with the exception of the provider."""
        error = kwargs.get("exception")
        self._end(
            kwargs,
            lambda call: call.fail(error) if error is not None else call.end(Outcome.FAILED),
        )

    async def async_log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """As `log_success_event`; the first of both counts."""
        self.log_success_event(kwargs, response_obj, start_time, end_time)

    async def async_log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """As `log_failure_event`; the first of both counts."""
        self.log_failure_event(kwargs, response_obj, start_time, end_time)

    def _who(self, kwargs: dict[str, Any]) -> Identity:
        named = self._identify(kwargs) if self._identify is not None else {}
        return self._ledger.identify(Identity(**named))

    def _end(self, kwargs: dict[str, Any], end: Callable[[Call], None]) -> None:
        call = self._open.pop(_id_of(kwargs))
        if call is None:
            return
        try:
            end(call)
        except Exception as error:
            note_fault(self._ledger.keeper, error)
            call.end()

    def _succeed(self, call: Call, kwargs: dict[str, Any], answer: Any) -> None:
        found = shapes.usage_of(answer)
        provider = (kwargs.get("litellm_params") or {}).get("custom_llm_provider")
        call.usage(
            provider=shapes.model_of(provider),
            model=found.model or call.model,
            input_tokens=found.input_tokens,
            output_tokens=found.output_tokens,
        )
        if found.output_tokens is None and found.input_tokens is None:
            self._ledger.keeper.counters.calls_without_usage += 1
        call.end(*shapes.end_of(answer))

    def _settle_old(self) -> None:
        """End calls that LiteLLM never reported, and reservations that it never used."""
        for call in self._open.pop_old():
            call.end(Outcome.FAILED, UNKNOWN)
        for turn in self._reserved.pop_old():
            turn.cancel()
            turn.leave(None)


class Waiting(Generic[T]):
    """Values by LiteLLM's id of an attempt.

    Customers may choose that id, so it never leaves this process, and several attempts may have
    the same one: the oldest comes first.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._values: OrderedDict[object, tuple[str, T, float]] = OrderedDict()
        self._tokens: dict[str, deque[object]] = {}

    def add(self, id_: str, value: T) -> None:
        """Keep a value."""
        token = object()
        with self._lock:
            self._values[token] = id_, value, self._monotonic_s()
            self._tokens.setdefault(id_, deque()).append(token)

    def pop(self, id_: str) -> T | None:
        """Return the oldest value of `id_`, once; None if there is none."""
        with self._lock:
            tokens = self._tokens.get(id_)
            return self._take(tokens[0]) if tokens else None

    def pop_old(self) -> list[T]:
        """Return the values that wait longer than `OPEN_FOR_S`, once."""
        before_s = self._monotonic_s() - OPEN_FOR_S
        with self._lock:
            old = []
            for token, (_, _, since_s) in self._values.items():
                if since_s >= before_s:
                    break
                old.append(token)
            return [self._take(token) for token in old]

    def _take(self, token: object) -> T:
        id_, value, _ = self._values.pop(token)
        tokens = self._tokens[id_]
        tokens.remove(token)
        if not tokens:
            del self._tokens[id_]
        return value


def _id_of(kwargs: dict[str, Any]) -> str:
    return str(kwargs.get("litellm_call_id"))


def __getattr__(name: str) -> Any:
    if name == "logger":
        from ._sync import Ledger

        made = globals()["logger"] = TurnLogger(Ledger(), gate=True)
        return made
    raise AttributeError(f"module 'turnledger.litellm' has no attribute {name!r}")
