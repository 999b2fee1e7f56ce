"""Send answers of unknown length as fast as their clients read, and no faster.

No route streams yet; the first one is an export.
"""

import os
import select
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog

# Even if its client reads steadily: one client must not keep a thread.
STREAM_S = 300
_OPEN_EVERY_S = 0.01
_log = structlog.get_logger("turnledger.serving")


def close_answer(chunks: Any) -> None:
    """Close the iterable that an application has returned, as PEP 3333 requires."""
    if hasattr(chunks, "close"):
        chunks.close()


class Streams:
    """Sends streams with at most `threads_count` threads.

    Granian's own stream keeps unsent data in memory, so a client that does not read could fill it.
    Granian sends a file as fast as the client reads; here the file is a named pipe. A stream ends
    early if its client reads nothing for `stall_s`, or after `STREAM_S`. The last line of a stream
    must therefore show whether it is complete.
    """

    def __init__(self, threads_count: int, stall_s: float) -> None:
        self._pool = ThreadPoolExecutor(threads_count)
        self._stall_s = stall_s

    def send(self, protocol: Any, status: int, headers: Any, chunks: Iterable[bytes]) -> None:
        """Answer with `chunks`, which are produced and closed in another thread."""
        try:
            folder = TemporaryDirectory(prefix="turnledger-stream-")
            pipe = Path(folder.name) / "pipe"
            os.mkfifo(pipe, 0o600)
            protocol.response_file(status, headers, str(pipe))
            self._pool.submit(self._feed, folder, pipe, chunks)
        except Exception:
            close_answer(chunks)
            raise

    def close(self) -> None:
        """Accept no more streams; those that have begun continue to their end."""
        self._pool.shutdown(wait=False)

    def _feed(self, folder: TemporaryDirectory[str], pipe: Path, chunks: Any) -> None:
        try:
            # The client has closed the pipe, or does not read it: the stream ends.
            with folder, suppress(OSError):
                descriptor = self._open(pipe)
                try:
                    self._copy(chunks, descriptor)
                finally:
                    os.close(descriptor)
        except Exception as error:
            _log.error("stream_failed", error=type(error).__name__)
        finally:
            close_answer(chunks)

    def _open(self, pipe: Path) -> int:
        late_s = time.monotonic() + self._stall_s
        while True:
            try:
                return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # Granian has not opened it yet
                if time.monotonic() > late_s:
                    raise
            time.sleep(_OPEN_EVERY_S)

    def _copy(self, chunks: Iterable[bytes], descriptor: int) -> None:
        end_s = time.monotonic() + STREAM_S
        room = select.poll()
        room.register(descriptor, select.POLLOUT)
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                stall_s = min(self._stall_s, end_s - time.monotonic())
                if stall_s <= 0 or not room.poll(stall_s * 1_000):
                    raise TimeoutError
                rest = rest[os.write(descriptor, rest) :]
