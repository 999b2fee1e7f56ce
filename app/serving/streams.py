"""Send answers of unknown length as fast as their clients read, and no faster."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Semaphore
from typing import Any

import structlog

from app.serving.pipes import BodyPipe

# Even if its client reads steadily: one client must not keep a thread.
STREAM_S = 300
# Granian opens the file of an answer at once, unless its client has disconnected by then.
CONNECT_S = 5
_log = structlog.get_logger("turnledger.serving")


def close_answer(chunks: Any) -> None:
    """Close the iterable that an application has returned, as PEP 3333 requires."""
    if hasattr(chunks, "close"):
        chunks.close()


class Streams:
    """Sends streams with at most `threads_count` threads; further ones wait for a thread.

    At most `producing_count` streams produce a chunk at the same time, which bounds their use of
    CPU and stores. The other threads only wait for slow clients, so a few of these keep no stream
    of another client waiting. An empty chunk lets other streams produce, too.

    The connection is closed without the end of the answer, so that the client notices:

    * if the chunks raise an exception;
    * if the client reads nothing for `stall_s`;
    * after `STREAM_S`.
    """

    def __init__(self, threads_count: int, producing_count: int, stall_s: float) -> None:
        self._pool = ThreadPoolExecutor(threads_count)
        self._producing = Semaphore(producing_count)
        self._stall_s = stall_s
        # Of broken streams whose clients have not read all that was sent.
        self._broken: SimpleQueue[BodyPipe] = SimpleQueue()

    def send(self, protocol: Any, status: int, headers: Any, chunks: Iterable[bytes]) -> None:
        """Answer with `chunks`, which are produced and closed in another thread."""
        try:
            pipe = BodyPipe()
            protocol.response_file(status, headers, str(pipe.path))
            self._pool.submit(self._feed, pipe, chunks)
        except Exception:
            close_answer(chunks)
            raise

    def close(self) -> None:
        """Accept no more streams; those that have begun continue to their end."""
        self._pool.shutdown(wait=False)

    def _feed(self, pipe: BodyPipe, chunks: Any) -> None:
        self._close_broken()
        try:
            pipe.connect(min(CONNECT_S, self._stall_s))
            self._copy(chunks, pipe)
            pipe.close()
        except Exception as error:
            # OSError: the client has disconnected or reads nothing, or the chunks have reported it.
            if not isinstance(error, OSError):
                _log.error("stream_failed", error=type(error).__name__)
            self._break(pipe)
        finally:
            close_answer(chunks)

    def _copy(self, chunks: Iterable[bytes], pipe: BodyPipe) -> None:
        end_s = time.monotonic() + STREAM_S
        parts = iter(chunks)
        while (chunk := self._next(parts)) is not None:
            if not chunk and pipe.has_no_reader():
                raise BrokenPipeError
            pipe.write(chunk, self._stall_s, end_s)

    def _next(self, parts: Iterator[bytes]) -> bytes | None:
        with self._producing:
            return next(parts, None)

    def _break(self, pipe: BodyPipe) -> None:
        if pipe.break_():
            pipe.close()
        else:
            self._broken.put(pipe)

    def _close_broken(self) -> None:
        """Close the pipes of broken streams that Granian has closed since."""
        for _ in range(self._broken.qsize()):
            try:
                pipe = self._broken.get_nowait()
            except Empty:  # another thread has taken it
                return
            if pipe.has_no_reader():
                pipe.close()
            else:
                self._broken.put(pipe)
