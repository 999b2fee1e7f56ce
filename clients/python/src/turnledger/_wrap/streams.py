"""Measure streams of the model clients: the object stays, the iterator inside is replaced."""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic
from typing import Any

from .._call import Call
from .._keeper import Keeper
from .observers import Observer


class Watch:
    """One stream, its call and its observer; a stream is measured once."""

    __slots__ = ("call", "is_attached", "keeper", "observer")

    def __init__(self, call: Call, observer: Observer, keeper: Keeper) -> None:
        self.call = call
        self.observer = observer
        self.keeper = keeper
        self.is_attached = False

    def attach(self, stream: Any) -> bool:
        """Measure `stream`; False if this release of the client has no place for it."""
        iterator = getattr(stream, "_iterator", None)
        if iterator is None:
            return False
        if self.is_attached:
            return True
        self.is_attached = True
        is_async = hasattr(iterator, "__anext__")
        items: Any = _AsyncItems(iterator, self) if is_async else Watch.items(iterator, self)
        # Held by the stream, as before: else the garbage collector closes generators inside of it
        # first, and the event loop reports that as an exception.
        stream._turnledger_iterator = iterator  # noqa: SLF001
        stream._iterator = items  # noqa: SLF001 - the one place; section 4 of the design
        _on_close(stream.response, "aclose" if is_async else "close", self._closed)
        call = self.call
        # A stream that is dropped before its first item runs no code of its own.
        call.reference = weakref.ref(stream, lambda _: call.leave())
        return True

    def _closed(self) -> None:
        """End the call unless the client itself closes the response: at its end, or at a fault."""
        if not self._is_pulled_here():
            self.call.leave()

    def _is_pulled_here(self) -> bool:
        """Return True below the iterator of this stream; another task or thread is elsewhere."""
        frame = sys._getframe(1)  # noqa: SLF001 - so that an item costs nothing
        while frame is not None:
            if frame.f_code in _PULLING and frame.f_locals.get("watch") is self:
                return True
            frame = frame.f_back  # type: ignore[assignment]
        return False

    def see(self, item: Any) -> bool:
        """Note an item; return True if the caller did not ask for it."""
        try:
            return self.observer.see(item)
        except Exception as error:
            note_fault(self.keeper, error)
            return False

    def end(self) -> None:
        """End the call after the last item."""
        if self.call.is_ended:
            return
        try:
            if self.call.output_tokens is None and self.call.input_tokens is None:
                self.keeper.counters.calls_without_usage += 1
            self.call.end(*self.observer.end())
        except Exception as error:
            note_fault(self.keeper, error)

    @staticmethod
    def items(iterator: Iterator[Any], watch: Watch) -> Iterator[Any]:
        """Yield the items of a synchronous stream, measured."""
        call, see = watch.call, watch.see
        try:
            for item in iterator:
                call.last_s = monotonic()
                if not see(item):
                    yield item
            watch.end()
        except GeneratorExit:
            call.leave()
            raise
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()


class _AsyncItems:
    """The items of an asynchronous stream, measured.

    No generator: an event loop closes one that nobody holds, and the one inside at the same time.
    """

    __slots__ = ("_is_pulling", "_iterator", "_watch")

    def __init__(self, iterator: AsyncIterator[Any], watch: Watch) -> None:
        self._iterator = iterator
        self._watch = watch
        self._is_pulling = False

    def __aiter__(self) -> _AsyncItems:
        return self

    async def __anext__(self) -> Any:
        if self._is_pulling:  # another task reads: this one gets the exception of the bare client
            return await self._iterator.__anext__()
        watch, self._is_pulling = self._watch, True
        try:
            while True:
                item = await self._iterator.__anext__()
                watch.call.last_s = monotonic()
                if not watch.see(item):
                    return item
        except StopAsyncIteration:
            watch.end()
            raise
        except BaseException as error:
            watch.call.fail(error)
            raise
        finally:
            self._is_pulling = False

    async def aclose(self) -> None:
        self._watch.call.leave()
        close = getattr(self._iterator, "aclose", None)
        if close is not None:
            await close()


# Frames below which the client closes the response of a stream by itself; their local `watch`.
_PULLING = (Watch.items.__code__, _AsyncItems.__anext__.__code__)


class RawWatch:
    """A raw response: its `parse` is shadowed; without it the call ends when the response closes.

    `finish` ends the call with the answer that was parsed; None for a stream.
    """

    __slots__ = ("_finish", "_is_parsing", "_parse", "_watch")

    def __init__(
        self,
        answer: Any,
        watch: Watch,
        finish: Callable[[Any], None] | None,
        *,
        is_async: bool,
    ) -> None:
        self._watch = watch
        self._finish = finish
        self._parse = answer.parse
        self._is_parsing = False
        answer.parse = self._shadow
        response, call = answer.http_response, watch.call
        _on_close(response, "aclose" if is_async else "close", self._closed)
        # A response that is dropped before it is read runs no code of its own.
        call.reference = weakref.ref(response, lambda _: call.leave())

    def _shadow(self, *arguments: Any, **options: Any) -> Any:
        self._is_parsing = True  # parsing reads, and so closes, the response
        try:
            parsed = self._parse(*arguments, **options)
        finally:
            self._is_parsing = False
        return self._awaited(parsed) if inspect.isawaitable(parsed) else self._seen(parsed)

    async def _awaited(self, parsed: Any) -> Any:
        self._is_parsing = True
        try:
            parsed = await parsed
        finally:
            self._is_parsing = False
        return self._seen(parsed)

    def _seen(self, parsed: Any) -> Any:
        try:
            if self._finish is None:
                self._watch.attach(parsed)
            else:
                self._finish(parsed)
        except Exception as error:
            note_fault(self._watch.keeper, error)
        return parsed

    def _closed(self) -> None:
        watch = self._watch
        if not self._is_parsing and not watch.is_attached and not watch.call.is_ended:
            watch.keeper.counters.calls_without_usage += 1
            watch.call.end()


def note_fault(keeper: Keeper, error: BaseException) -> None:
    """Count a fault of this package inside a call; log it once for each kind, without its text."""
    keeper.counters.wrapper_errors += 1
    kind = type(error).__name__
    keeper.log_once(f"wrapper {kind}", "A model call could not be measured (%s).", kind)


def _on_close(response: Any, name: str, callback: Callable[[], object]) -> None:
    """Call `callback` before `response` is closed by the method `name`.

    Afterwards a reader in another task may have seen the end already, as a fault.
    """
    original = getattr(response, name)
    if name == "close":

        def close() -> None:
            callback()
            original()

        response.close = close
    else:

        async def aclose() -> None:
            callback()
            await original()

        response.aclose = aclose
