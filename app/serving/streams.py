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

# However steadily its client reads: a thread is not for one client.
STREAM_S = 300
_OPEN_EVERY_S = 0.01
_log = structlog.get_logger("turnledger.serving")


def close_answer(chunks: Any) -> None:
    """Close what an application has returned, as PEP 3333 demands."""
    if hasattr(chunks, "close"):
        chunks.close()


class Streams:
    """Send streams with at most `threads_count` threads.

    Granian's own stream accepts whatever it is given and keeps it in memory, so that a client that
    does not read could fill it. It sends a file as fast as the client reads; here the file is a
    named pipe. A stream that its client does not take for `stall_s`, or that lasts `STREAM_S`, ends
    early: its last line must tell a client whether it is complete.
    """

    def __init__(self, threads_count: int, stall_s: float) -> None:
        self._pool = ThreadPoolExecutor(threads_count)
        self._stall_s = stall_s

    def send(self, protocol: Any, status: int, headers: Any, chunks: Iterable[bytes]) -> None:
        """Answer with `chunks`, which are made and closed in another thread."""
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
        """Let the streams that have begun go on to their end."""
        self._pool.shutdown(wait=False)

    def _feed(self, folder: TemporaryDirectory[str], pipe: Path, chunks: Any) -> None:
        try:
            # A pipe that its client has closed, or does not empty, is the end of the stream.
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
