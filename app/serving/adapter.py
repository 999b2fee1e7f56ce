"""Run Flask behind Granian's RSGI interface, https://github.com/emmett-framework/granian.

The event loop awaits the body of a request. Then a thread of a bounded pool runs Flask and hands
the answer to Granian, which sends it without a thread. At most one request of a connection is
here at a time, so Granian's bound on connections bounds the queue too.
"""

import asyncio
import sys
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

import structlog
from flask import Flask

from app.http.body import LARGEST_BYTES, UnreadBody
from app.http.problems import Problem
from app.serving.shared import is_draining
from app.serving.streams import Streams

# A longer body is read up to here and thrown away, so that its client can hear the answer.
DISCARDED_BYTES = 8 * LARGEST_BYTES
_LATE = Problem("request_timeout", "The body did not arrive in time. Send it again.")
_WITHOUT_BODY = (204, 304)
_CONSTANT = {
    "SCRIPT_NAME": "",
    "SERVER_NAME": "turnledger",
    "SERVER_PORT": "80",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
_log = structlog.get_logger("turnledger.serving")


class _Request(NamedTuple):
    """A request with its body in memory; `is_whole` unless the client has more of it to send."""

    environ: dict[str, Any]
    protocol: Any
    is_whole: bool
    loop: asyncio.AbstractEventLoop
    answered: asyncio.Future[None]


class Adapter:
    """The application of one worker; `deadline_s` bounds a body's arrival and a stream's pauses."""

    def __init__(self, app: Flask, threads_count: int, deadline_s: float) -> None:
        self._app, self._deadline_s = app, deadline_s
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._streams = Streams(max(1, threads_count // 4), deadline_s)
        self._threads = [Thread(target=self._work) for _ in range(threads_count)]
        for thread in self._threads:
            thread.start()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        environ = _environ_of(scope)
        is_whole = await self._read_body(environ, protocol)
        loop = asyncio.get_running_loop()
        answered = loop.create_future()
        self._requests.put(_Request(environ, protocol, is_whole, loop, answered))
        await answered  # without an answer by then Granian's is 500

    def close(self) -> None:
        """Let the threads end after the requests that they have begun."""
        for _ in self._threads:
            self._requests.put(None)
        self._streams.close()

    async def _read_body(self, environ: dict[str, Any], protocol: Any) -> bool:
        """Put the body into `environ`; return False if a part of it was left unread."""
        environ["wsgi.input"] = BytesIO()
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if not length and "HTTP_TRANSFER_ENCODING" not in environ:
            return True
        if length > DISCARDED_BYTES:
            return False
        kept, read_bytes = bytearray(), 0
        try:
            async with asyncio.timeout(self._deadline_s):
                async for part in protocol:
                    read_bytes += len(part)
                    if len(kept) <= LARGEST_BYTES:
                        kept += part
                    if read_bytes > DISCARDED_BYTES:
                        return False
        except TimeoutError:
            environ["wsgi.input"] = UnreadBody(_LATE)
            return False
        environ["wsgi.input"] = BytesIO(kept)
        return True

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                self._answer(request)
            except Exception as error:
                _log.error("answer_failed", error=type(error).__name__)
            with suppress(RuntimeError):  # the loop has ended, and nobody waits
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
        request.protocol.response_bytes(status, headers, b"".join(chunks))
        if hasattr(chunks, "close"):
            chunks.close()


def _environ_of(scope: Any) -> dict[str, Any]:
    """Return a WSGI environment without a body; it holds the request and nothing else."""
    environ = {
        **_CONSTANT,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string.encode().decode("latin-1"),
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "SERVER_PROTOCOL": "HTTP/1.0" if scope.http_version == "1" else "HTTP/1.1",
        "wsgi.url_scheme": scope.scheme,
    }
    for name, value in scope.headers.items():
        variable = _variable(name)
        if variable in environ:
            environ[variable] += f",{value}"
        elif variable:
            environ[variable] = value
    return environ


@lru_cache(256)
def _variable(name: str) -> str:
    """Return the name of a header in the environment; "" for one that could pose as another."""
    if "_" in name:
        return ""
    variable = name.upper().replace("-", "_")
    return variable if variable in {"CONTENT_LENGTH", "CONTENT_TYPE"} else f"HTTP_{variable}"
