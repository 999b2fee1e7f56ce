"""Measure the calls of a wrapped client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._call import Call
from .._core.identity import Identity, current_turn
from ..errors import LedgerUnavailable, QuotaExhaustedError
from . import shapes
from .observers import ChatObserver, MessageObserver, Observer, ResponseObserver
from .providers import host_of
from .streams import Watch, note_fault, watch_raw

if TYPE_CHECKING:
    from .._sync import Ledger

_CHAT = "/chat/completions"
_KINDS = {
    _CHAT: "chat",
    "/completions": "chat",
    "/embeddings": "embeddings",
    "/responses": "responses",
    "/v1/messages": "messages",
}
_RAW_HEADER = "x-stainless-raw-response"


@dataclass(frozen=True, slots=True)
class Wrapping:
    """How a client is wrapped."""

    ledger: Ledger
    provider: str
    include_usage: bool | str
    reserve: bool
    who: Identity
    is_async: bool


@dataclass(slots=True)
class _Measured:
    """One call of a client that is measured."""

    wrapping: Wrapping
    call: Call
    kind: str
    is_stream: bool
    is_raw: bool
    hides_usage: bool

    def answered(self, answer: Any) -> Any:
        """Measure an answer; a fault of this package ends the call as completed."""
        try:
            self._measure(answer)
        except Exception as error:
            note_fault(self.wrapping.ledger.keeper, error)
            self.call.end()
        return answer

    def _measure(self, answer: Any) -> None:
        keeper = self.wrapping.ledger.keeper
        if self.is_raw:
            watch = Watch(self.call, self._observer(), keeper)
            is_async = self.wrapping.is_async
            watch_raw(answer, watch, self._finish, is_stream=self.is_stream, is_async=is_async)
            if not self.is_stream and answer.http_response.is_closed:
                answer.parse()  # the body is read already; the result is kept for the caller
        elif not self.is_stream:
            self._finish(answer)
        elif not Watch(self.call, self._observer(), keeper).attach(answer):
            keeper.log_once("stream", "Streams of this release of the client are not measured.")
            self.call.end()

    def _finish(self, answer: Any) -> None:
        found = shapes.usage_of(answer)
        self.call.usage(**found._asdict())
        if found.input_tokens is None and found.output_tokens is None:
            self.wrapping.ledger.keeper.counters.calls_without_usage += 1
        self.call.end(*shapes.end_of(answer))

    def _observer(self) -> Observer:
        if self.kind == "messages":
            return MessageObserver(self.call)
        if self.kind == "responses":
            return ResponseObserver(self.call)
        return ChatObserver(self.call, hides_usage=self.hides_usage)


def sync_request(client: Any, request: Callable[..., Any], wrapping: Wrapping) -> Any:
    """Return the method `request` of a synchronous client, measured."""

    def measured_request(cast_to: Any, options: Any, **more: Any) -> Any:
        measured = _begin(client, options, wrapping, is_stream=bool(more.get("stream")))
        if measured is None:
            return request(cast_to, options, **more)
        try:
            answer = request(cast_to, options, **more)
        except BaseException as error:
            measured.call.fail(error)
            raise
        return measured.answered(answer)

    return measured_request


def async_request(client: Any, request: Callable[..., Any], wrapping: Wrapping) -> Any:
    """Return the method `request` of an asynchronous client, measured."""

    async def measured_request(cast_to: Any, options: Any, **more: Any) -> Any:
        measured = _begin(client, options, wrapping, is_stream=bool(more.get("stream")))
        if measured is None:
            return await request(cast_to, options, **more)
        try:
            answer = await request(cast_to, options, **more)
        except BaseException as error:
            measured.call.fail(error)
            raise
        return measured.answered(answer)

    return measured_request


def _begin(client: Any, options: Any, wrapping: Wrapping, *, is_stream: bool) -> _Measured | None:
    """Begin a call; None if the request is no model call, or cannot be measured.

    Raises QuotaExhaustedError, and LedgerUnavailable as the ledger is configured, if the client
    reserves.
    """
    kind = _KINDS.get(options.url.partition("?")[0])
    if kind is None or options.method.lower() != "post":
        return None
    try:
        sent = options.json_data if isinstance(options.json_data, dict) else {}
        if sent.get("background"):
            return None
        is_raw = _is_raw(options.headers)
        hides_usage = is_stream and not is_raw and _ask_for_usage(client, options, wrapping, kind)
        call = _call(wrapping)
        call.provider, call.model = wrapping.provider, shapes.model_of(sent.get("model"))
        return _Measured(wrapping, call, kind, is_stream, is_raw, hides_usage)
    except (QuotaExhaustedError, LedgerUnavailable):
        raise
    except Exception as error:
        note_fault(wrapping.ledger.keeper, error)
        return None


def _call(wrapping: Wrapping) -> Call:
    """Begin a call in the current turn; in a turn of its own if none is open for this account."""
    turn, ledger = current_turn(), wrapping.ledger
    if turn is not None and turn.account == ledger.keeper.config.account:
        return turn.call_started()
    lone = ledger.begin(ledger.identify(wrapping.who), reserve=wrapping.reserve)
    call = lone.call_started()
    lone.leave(None)
    return call


def _ask_for_usage(client: Any, options: Any, wrapping: Wrapping, kind: str) -> bool:
    """Ask for usage in a stream where that is safe; return True if this package asked for it."""
    if kind != "chat" or "stream_options" in options.json_data:
        return False
    wanted = wrapping.include_usage
    if wanted == "auto":
        wanted = host_of(client) == "api.openai.com"
    if wanted:
        options.json_data = {**options.json_data, "stream_options": {"include_usage": True}}
    return bool(wanted)


def _is_raw(headers: Any) -> bool:
    return isinstance(headers, dict) and any(name.lower() == _RAW_HEADER for name in headers)
