"""Measure the calls of a wrapped client."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .._call import Call
from .._core.identity import Identity
from .._threads import in_thread
from ..errors import LedgerUnavailable, QuotaExhaustedError
from . import requests, shapes
from .observers import ChatObserver, MessageObserver, Observer, ResponseObserver
from .providers import host_of
from .streams import RawWatch, Watch, note_fault
from .turns import begin_call, turn_of

if TYPE_CHECKING:
    from .._sync import Ledger


@dataclass(frozen=True, slots=True)
class Wrapping:
    """How a client is wrapped."""

    ledger: Ledger
    provider: str
    include_usage: bool | str
    reserve: bool
    who: Identity
    is_async: bool

    def wants_usage(self, client: Any) -> bool:
        """Return True if streams of `client` shall be asked for usage: "auto" where it is safe."""
        if self.include_usage == "auto":
            return host_of(client) == "api.openai.com"
        return bool(self.include_usage)


@dataclass(slots=True)
class _Measured:
    """One call of a client that is measured."""

    wrapping: Wrapping
    call: Call
    kind: str
    is_stream: bool
    is_raw: bool
    hides_usage: bool

    def answered(self, answer: Any) -> Awaitable[None] | None:
        """Measure an answer; a fault of this package ends the call as completed.

        Returns what an asynchronous client must await before its caller gets the answer.
        """
        try:
            return self._measure(answer)
        except Exception as error:
            note_fault(self.wrapping.ledger.keeper, error)
            self.call.end()
        return None

    def failed(self, error: BaseException) -> None:
        """End the call with an exception, which the caller gets unchanged."""
        try:
            self.call.fail(error)
        except Exception as fault:
            note_fault(self.wrapping.ledger.keeper, fault)

    def _measure(self, answer: Any) -> Awaitable[None] | None:
        keeper = self.wrapping.ledger.keeper
        if self.is_raw:
            watch = Watch(self.call, self._observer(), keeper)
            finish = None if self.is_stream else self._finish
            RawWatch(answer, watch, finish, is_async=self.wrapping.is_async)
            if not self.is_stream and answer.http_response.is_closed:
                return self._parse(answer)
        elif not self.is_stream:
            self._finish(answer)
        elif not Watch(self.call, self._observer(), keeper).attach(answer):
            keeper.log_once("stream", "Streams of this release of the client are not measured.")
            self.call.end()
        return None

    def _parse(self, answer: Any) -> Awaitable[None] | None:
        """Parse a raw response whose body is read; it keeps the result for the caller."""
        with suppress(Exception):  # the caller's own `parse` raises it again
            parsed = answer.parse()
            if inspect.isawaitable(parsed):
                return self._end_after(parsed)
        self.call.end()
        return None

    async def _end_after(self, parsed: Awaitable[Any]) -> None:
        try:
            with suppress(Exception):
                await parsed
        finally:
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
        measured.answered(answer)
        return answer

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
        pending = measured.answered(answer)
        if pending is not None:
            await pending
        return answer

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
    try:
        kind, sent = requests.kind_of(options), requests.sent_of(options)
        if kind is None or sent.get("background"):
            return None
        is_raw = requests.is_raw(options.headers)
        may_ask = is_stream and not is_raw and kind == "chat" and wrapping.wants_usage(client)
        call = begin_call(wrapping.ledger, wrapping.who, reserve=wrapping.reserve)
        call.provider, call.model = wrapping.provider, shapes.model_of(sent.get("model"))
        # Last: the request of a call that cannot be measured stays as it is.
        hides_usage = may_ask and requests.ask_for_usage(options)
        return _Measured(wrapping, call, kind, is_stream, is_raw, hides_usage)
    except (QuotaExhaustedError, LedgerUnavailable):
        raise
    except Exception as error:
        note_fault(wrapping.ledger.keeper, error)
        return None
