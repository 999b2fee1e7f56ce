"""Run Flask behind Granian's RSGI interface, https://github.com/emmett-framework/granian.

The event loop awaits the body of a request. Then a thread of a bounded pool runs Flask and hands
the answer to Granian, which sends it without a thread.
"""

import asyncio
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

import structlog
from flask import Flask

from app.serving.bodies import Bodies
from app.serving.environ import environ_of
from app.serving.shared import is_draining
from app.serving.streams import Streams, close_answer

# Requests of disconnected clients stay in the queue. Answering this many takes seconds.
QUEUED_COUNT = 4_096
_WITHOUT_BODY = (204, 304)
_OVERLOADED = [
    ("Retry-After", "1"),
    ("Connection", "close"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
]
_log = structlog.get_logger("turnledger.serving")


class _Request(NamedTuple):
    """A request with its body in memory; `is_whole` unless part of the body was left unread."""

    environ: dict[str, Any]
    protocol: Any
    is_whole: bool
    loop: asyncio.AbstractEventLoop
    answered: asyncio.Future[None]


class Adapter:
    """The application of one worker; `deadline_s` bounds a body's arrival and a stream's pauses."""

    def __init__(self, app: Flask, threads_count: int, deadline_s: float) -> None:
        self._app, self._bodies = app, Bodies(deadline_s)
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        # One organization may have `threads_count // 4`: `app.admission.concurrency`. So a stream
        # waits for slow clients only if those of eight others take all threads.
        self._streams = Streams(2 * threads_count, max(2, threads_count // 2), deadline_s)
        self._threads = [Thread(target=self._work) for _ in range(threads_count)]
        for thread in self._threads:
            thread.start()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if self._requests.qsize() > QUEUED_COUNT:
            protocol.response_empty(503, _OVERLOADED)
            return
        environ = environ_of(scope)
        body, is_whole = await self._bodies.read(environ, protocol)
        environ["wsgi.input"] = body
        loop = asyncio.get_running_loop()
        answered = loop.create_future()
        try:
            self._requests.put(_Request(environ, protocol, is_whole, loop, answered))
            await answered  # if nothing was answered, Granian answers 500
        finally:
            self._bodies.release(body)

    def close(self) -> None:
        """End the threads after the requests that they have begun."""
        for _ in self._threads:
            self._requests.put(None)
        self._streams.close()

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                self._answer(request)
            except Exception as error:
                _log.error("answer_failed", error=type(error).__name__)
            with suppress(RuntimeError):  # the loop has ended, so nothing awaits this
                request.loop.call_soon_threadsafe(request.answered.set_result, None)

    def _answer(self, request: _Request) -> None:
        head: list[Any] = []
        begin: Any = lambda status, headers, _=None: head.extend((status, headers))  # noqa: E731
        chunks = self._app(request.environ, begin)
        status, headers = int(head[0][:3]), head[1]
        if is_draining() or not request.is_whole:
            headers.append(("Connection", "close"))
        has_length = any(name == "Content-Length" for name, _ in headers)
        is_bare = status in _WITHOUT_BODY or request.environ["REQUEST_METHOD"] == "HEAD"
        if not (has_length or is_bare):
            self._streams.send(request.protocol, status, headers, chunks)
            return
        try:
            request.protocol.response_bytes(status, headers, b"".join(chunks))
        finally:
            close_answer(chunks)
