"""Measure the calls of a wrapped client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .._call import Call
from .._core.identity import Identity
from .._threads import in_thread
from ..errors import LedgerUnavailable, QuotaExhaustedError
from . import shapes
from .observers import ChatObserver, MessageObserver, Observer, ResponseObserver
from .providers import host_of
from .streams import RawWatch, Watch, note_fault
from .turns import begin_call, turn_of

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

    def failed(self, error: BaseException) -> None:
        """End the call with an exception, which the caller gets unchanged."""
        try:
            self.call.fail(error)
        except Exception as fault:
            note_fault(self.wrapping.ledger.keeper, fault)

    def _measure(self, answer: Any) -> None:
        keeper = self.wrapping.ledger.keeper
        if self.is_raw:
            watch = Watch(self.call, self._observer(), keeper)
            finish = None if self.is_stream else self._finish
            RawWatch(answer, watch, finish, is_async=self.wrapping.is_async)
            if not self.is_stream and answer.http_response.is_closed:
                with suppress(Exception):  # the caller's own `parse` raises it again
                    answer.parse()  # the body is read already; the result is kept for the caller
                self.call.end()
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
            measured.failed(error)
            raise
        return measured.answered(answer)

    return measured_request


def async_request(client: Any, request: Callable[..., Any], wrapping: Wrapping) -> Any:
    """Return the method `request` of an asynchronous client, measured."""

    async def measured_request(cast_to: Any, options: Any, **more: Any) -> Any:
        is_stream = bool(more.get("stream"))
        measured = await _begin_async(client, options, wrapping, is_stream=is_stream)
        if measured is None:
            return await request(cast_to, options, **more)
        try:
            answer = await request(cast_to, options, **more)
        except BaseException as error:
            measured.failed(error)
            raise
        return measured.answered(answer)

    return measured_request


async def _begin_async(
    client: Any, options: Any, wrapping: Wrapping, *, is_stream: bool
) -> _Measured | None:
    """As `_begin`; a reservation is made in a thread."""
    begin = partial(_begin, client, options, wrapping, is_stream=is_stream)
    if not wrapping.reserve or turn_of(wrapping.ledger) is not None or not _is_on_asyncio():
        return begin()

    def give_back(measured: _Measured | None) -> None:
        if measured is not None:
            measured.call.give_back()

    return await in_thread(begin, give_back)


def _is_on_asyncio() -> bool:
    """Return False in an event loop of another library."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _begin(client: Any, options: Any, wrapping: Wrapping, *, is_stream: bool) -> _Measured | None:
    """Begin a call; None if the request is no model call, or cannot be measured.

    Raises QuotaExhaustedError, and LedgerUnavailable as the ledger is configured, if the client
    reserves.
    """
    kind = _KINDS.get(options.url.partition("?")[0])
    if kind is None or options.method.lower() != "post":
        return None
    try:
        sent = _sent(options)
        if sent.get("background"):
            return None
        is_raw = _is_raw(options.headers)
        hides_usage = (
            is_stream and not is_raw and kind == "chat" and _asks(client, options, wrapping)
        )
        call = begin_call(wrapping.ledger, wrapping.who, reserve=wrapping.reserve)
        call.provider, call.model = wrapping.provider, shapes.model_of(sent.get("model"))
        return _Measured(wrapping, call, kind, is_stream, is_raw, hides_usage)
    except (QuotaExhaustedError, LedgerUnavailable):
        raise
    except Exception as error:
        note_fault(wrapping.ledger.keeper, error)
        return None


def _sent(options: Any) -> dict[str, Any]:
    """Return the JSON of a request, with what the caller added to it by `extra_body`."""
    sent, more = options.json_data, options.extra_json
    if not isinstance(sent, dict):
        return {}
    return {**sent, **more} if isinstance(more, dict) else sent


def _asks(client: Any, options: Any, wrapping: Wrapping) -> bool:
    """Ask for usage in a stream where that is safe; return True if this package asked for it."""
    sent = _sent(options)
    if not sent or "stream_options" in sent:
        return False
    wanted = wrapping.include_usage
    if wanted == "auto":
        wanted = host_of(client) == "api.openai.com"
    if wanted:
        options.json_data = {**options.json_data, "stream_options": {"include_usage": True}}
    return bool(wanted)


def _is_raw(headers: Any) -> bool:
    return isinstance(headers, dict) and any(name.lower() == _RAW_HEADER for name in headers)
