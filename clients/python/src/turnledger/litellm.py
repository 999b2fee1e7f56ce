"""A LiteLLM logger: each attempt that LiteLLM makes is a model call.

    litellm.callbacks = [TurnLogger(ledger, gate=True)]

In a proxy's YAML: `callbacks: turnledger.litellm.logger`, with the `TURNLEDGER_*` variables.

LiteLLM calls back by its own rules. A stream that is left early gets no callback, so its turn is
recorded as failed, `outcome_unknown`, after an hour.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from litellm.integrations.custom_logger import CustomLogger

from ._call import Call
from ._core.identity import Identity
from ._core.values import Outcome
from ._refusal import retry_after
from ._threads import in_thread
from ._turn import OpenTurn
from ._wrap import shapes
from ._wrap.streams import note_fault
from ._wrap.turns import turn_of
from ._wrap.waiting import Waiting
from .errors import LedgerUnavailable, QuotaExhaustedError, TurnledgerError

if TYPE_CHECKING:
    from ._async import AsyncLedger
    from ._sync import Ledger

OPEN_FOR_S = 3_600.0
UNKNOWN = "outcome_unknown"
# LiteLLM hands one dictionary to all callbacks of an attempt; its place for the attempt's token.
_ATTEMPT = "turnledger_attempt"
# LiteLLM's names, where OpenTelemetry has others.
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_text": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "cohere_chat": "cohere",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "text-completion-openai": "openai",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
Identify = Callable[[dict[str, Any]], dict[str, str | None]]


class TurnLogger(CustomLogger):
    """Records each call of LiteLLM: in the current turn, or as a turn of its own.

    * `identify(kwargs)` returns `user_id`, `relationship_id` and `personality_id` of a call, from
      LiteLLM's arguments. Without it a call has the ledger's personality alone: what customers
      write into a request identifies nobody.
    * `gate`: LiteLLM's proxy reserves each turn, and answers 429 if the quota is spent.
    """

    def __init__(
        self,
        ledger: Ledger | AsyncLedger,
        *,
        identify: Identify | None = None,
        gate: bool = False,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._ledger = _synchronous(ledger)
        self._identify = identify
        self._gate = gate
        self._reserved: Waiting[OpenTurn] = Waiting(monotonic_s)
        self._open: Waiting[Attempt] = Waiting(monotonic_s)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # LiteLLM's proxy does not call a hook that a class inherits.
        if "async_pre_call_hook" not in vars(cls):
            cls.async_pre_call_hook = cls.async_pre_call_hook  # type: ignore[method-assign]

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:
        """Begin a call before the provider is asked."""
        try:
            self._settle_old()
            if self._open.has(kwargs.get(_ATTEMPT)):
                return  # of an attempt that LiteLLM reports twice
            attempt = self._begin(kwargs, shapes.model_of(model))
            kwargs[_ATTEMPT] = self._open.add(_id_of(kwargs), attempt)
        except Exception as error:
            note_fault(self._ledger.keeper, error)

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: Any, call_type: Any
    ) -> None:
        """Reserve a turn for a call of the proxy.

        Refuses the call by QuotaExhaustedError, and as the ledger is configured by
        LedgerUnavailable.
        """
        if not self._gate:
            return
        try:
            begin = partial(self._ledger.begin, self._who(data), reserve=True)
            turn = await in_thread(begin, OpenTurn.give_back)
            if _id_of(data) is None:
                turn.give_back()  # nothing would find it again
            else:
                self._reserved.add(_id_of(data), turn)
        except (QuotaExhaustedError, LedgerUnavailable) as error:
            raise _refusal(error) from None
        except Exception as error:
            note_fault(self._ledger.keeper, error)

    async def async_post_call_failure_hook(
        self, request_data: Any, original_exception: Any, *_: Any, **__: Any
    ) -> None:
        """Give the reservation of a call back that failed before the provider was asked."""
        if not isinstance(original_exception, QuotaExhaustedError):
            self._give_reserved_back(request_data)

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

    def _begin(self, kwargs: dict[str, Any], model: str | None) -> Attempt:
        turn = self._reserved.pop(_id_of(kwargs))
        if turn is None:
            turn = turn_of(self._ledger)
            if turn is not None:
                turn.started()
                return Attempt(model, turn)
            turn = self._ledger.begin(self._who(kwargs), reserve=False)
        call = turn.call_started()
        turn.leave(None)
        return Attempt(model, turn, call)

    def _who(self, kwargs: dict[str, Any]) -> Identity:
        named = self._identify(kwargs) if self._identify is not None else {}
        return self._ledger.identify(Identity(**named))

    def _end(self, kwargs: dict[str, Any], end: Callable[[Call], None]) -> None:
        token = kwargs.get(_ATTEMPT)
        is_known = isinstance(token, str)
        attempt = self._open.take(str(token)) if is_known else self._open.pop(_id_of(kwargs))
        if attempt is None:
            if not is_known:  # answered from LiteLLM's cache, or failed before the provider
                self._give_reserved_back(kwargs)
            return
        call = attempt.ending()
        try:
            end(call)
        except Exception as error:
            note_fault(self._ledger.keeper, error)
            call.end()

    def _succeed(self, call: Call, kwargs: dict[str, Any], answer: Any) -> None:
        found = shapes.usage_of(answer)
        call.usage(
            provider=_provider_of(kwargs),
            model=found.model or call.model,
            input_tokens=found.input_tokens,
            output_tokens=found.output_tokens,
        )
        if found.output_tokens is None and found.input_tokens is None:
            self._ledger.keeper.counters.calls_without_usage += 1
        call.end(*shapes.end_of(answer))

    def _settle_old(self) -> None:
        """End calls that LiteLLM never reported, and reservations that it never used."""
        for attempt in self._open.pop_old(OPEN_FOR_S):
            if attempt.call is not None:
                attempt.call.end(Outcome.FAILED, UNKNOWN)
        for turn in self._reserved.pop_old(OPEN_FOR_S):
            turn.give_back()

    def _give_reserved_back(self, kwargs: dict[str, Any]) -> None:
        turn = self._reserved.pop(_id_of(kwargs))
        if turn is not None:
            turn.give_back()


@dataclass(slots=True)
class Attempt:
    """A call that LiteLLM makes; `call` is None if it belongs to a turn of the program.

    LiteLLM may report after that turn has ended, or never, so the call does not keep it open.
    """

    model: str | None
    turn: OpenTurn
    call: Call | None = None

    def ending(self) -> Call:
        """Return the call to be ended: a late turn of its own after the program's turn."""
        call = self.turn.call_started() if self.call is None else self.call
        call.model = self.model
        return call


def _synchronous(ledger: Any) -> Ledger:
    """Return the ledger itself, or the one inside of an `AsyncLedger`."""
    inner: Ledger = getattr(ledger, "ledger", ledger)
    return inner


def _refusal(error: TurnledgerError) -> TurnledgerError:
    """Return `error` with the attributes by which LiteLLM's proxy answers."""
    status = 429 if isinstance(error, QuotaExhaustedError) else 503
    error.status_code = status  # type: ignore[attr-defined]
    error.headers = retry_after(error)  # type: ignore[attr-defined]
    return error


def _provider_of(kwargs: dict[str, Any]) -> str | None:
    name = (kwargs.get("litellm_params") or {}).get("custom_llm_provider")
    name = name or kwargs.get("custom_llm_provider")
    return _PROVIDERS.get(str(name)) or shapes.model_of(name)


def _id_of(kwargs: dict[str, Any]) -> str | None:
    id_ = kwargs.get("litellm_call_id")
    return None if id_ is None else str(id_)


def __getattr__(name: str) -> Any:
    if name == "logger":
        from ._sync import Ledger

        made = globals()["logger"] = TurnLogger(Ledger(), gate=True)
        return made
    raise AttributeError(f"module 'turnledger.litellm' has no attribute {name!r}")
