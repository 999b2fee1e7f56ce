"""Measure streams of the model clients: the object stays, the iterator inside is replaced."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic
from typing import Any

from .._call import Call
from .._keeper import Keeper
from .observers import Observer


class Watch:
    """One stream, its call and its observer.

    `is_pulling` is True while the client's own iterator runs: a response that is closed then was
    closed by the client, at the end or at a fault, and not by its reader.
    """

    __slots__ = ("call", "is_pulling", "keeper", "observer")

    def __init__(self, call: Call, observer: Observer, keeper: Keeper) -> None:
        self.call = call
        self.observer = observer
        self.keeper = keeper
        self.is_pulling = False

    def attach(self, stream: Any) -> bool:
        """Measure `stream`; False if this release of the client has no place for it."""
        iterator = getattr(stream, "_iterator", None)
        if iterator is None:
            return False
        is_async = hasattr(iterator, "__anext__")
        items: Any = self._async_items(iterator) if is_async else self._items(iterator)
        stream._iterator = items  # noqa: SLF001 - the one place; section 4 of the design
        _on_close(stream.response, "aclose" if is_async else "close", self._closed)
        call = self.call
        # A stream that is dropped before its first item runs no code of its own.
        call.reference = weakref.ref(stream, lambda _: call.leave())
        return True

    def _closed(self) -> None:
        if not self.is_pulling:
            self.call.leave()

    def _see(self, item: Any) -> bool:
        try:
            return self.observer.see(item)
        except Exception as error:
            note_fault(self.keeper, error)
            return False

    def _end(self) -> None:
        self.call.end(*self.observer.end())
        if self.call.output_tokens is None and self.call.input_tokens is None:
            self.keeper.counters.calls_without_usage += 1

    def _items(self, iterator: Iterator[Any]) -> Iterator[Any]:
        call, see = self.call, self._see
        try:
            self.is_pulling = True
            for item in iterator:
                call.last_s = monotonic()
                if see(item):
                    continue
                self.is_pulling = False
                yield item
                self.is_pulling = True
            self._end()
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

    async def _async_items(self, iterator: AsyncIterator[Any]) -> AsyncIterator[Any]:
        call, see = self.call, self._see
        try:
            self.is_pulling = True
            async for item in iterator:
                call.last_s = monotonic()
                if see(item):
                    continue
                self.is_pulling = False
                yield item
                self.is_pulling = True
            self._end()
        except GeneratorExit:
            call.leave()
            raise
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()


def watch_raw(
    answer: Any,
    watch: Watch,
    finish: Callable[[Any], None],
    *,
    is_stream: bool,
    is_async: bool,
) -> None:
    """Measure a raw response: its `parse` is shadowed; without it the call ends when it closes."""
    parse = answer.parse

    def seen(parsed: Any) -> Any:
        watch.is_pulling = False
        if is_stream:
            watch.attach(parsed)
        else:
            finish(parsed)
        return parsed

    def shadow(*arguments: Any, **options: Any) -> Any:
        watch.is_pulling = True  # parsing reads, and so closes, the response
        parsed = parse(*arguments, **options)
        return _awaited(parsed, seen) if inspect.isawaitable(parsed) else seen(parsed)

    def closed() -> None:
        if not watch.is_pulling:
            watch.call.end()

    answer.parse = shadow
    _on_close(answer.http_response, "aclose" if is_async else "close", closed)


async def _awaited(parsed: Any, seen: Callable[[Any], Any]) -> Any:
    return seen(await parsed)


def note_fault(keeper: Keeper, error: BaseException) -> None:
    """Count a fault of this package inside a call; log it once for each kind, without its text."""
    keeper.counters.wrapper_errors += 1
    kind = type(error).__name__
    keeper.log_once(f"wrapper {kind}", "A model call could not be measured (%s).", kind)


def _on_close(response: Any, name: str, callback: Callable[[], object]) -> None:
    """Call `callback` after `response` is closed by the method `name`."""
    original = getattr(response, name)
    if name == "close":

        def close() -> None:
            original()
            callback()

        response.close = close
    else:

        async def aclose() -> None:
            await original()
            callback()

        response.aclose = aclose
