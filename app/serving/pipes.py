"""Named pipes that Granian sends as the body of an answer.

Granian keeps unsent data of its own streams in memory, so a client that does not read could fill
it. It sends a file as fast as the client reads. Here that file is a named pipe.
"""

import errno
import os
import select
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

_OPEN_EVERY_S = 0.01
_BREAK_WITHIN_MS = 1_000
_OPEN_FILES = Path("/proc/self/fd")


class BodyPipe:
    """A named pipe and its folder; `close` ends the body, `break_` ends the connection."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="turnledger-stream-")
        self.path = Path(self._folder.name) / "pipe"
        os.mkfifo(self.path, 0o600)
        self._descriptor = -1

    def connect(self, within_s: float) -> None:
        """Open the pipe for writing; OSError unless Granian opens it for reading in time.

        Then nobody needs its name any more. It is removed, so that a killed worker leaves nothing.
        """
        late_s = time.monotonic() + within_s
        while self._descriptor < 0:
            try:
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                if time.monotonic() > late_s:
                    raise
                time.sleep(_OPEN_EVERY_S)
        self._folder.cleanup()

    def write(self, chunk: bytes, stall_s: float, end_s: float) -> None:
        """Write all of `chunk` as fast as the client reads.

        Raises TimeoutError if the client reads nothing for `stall_s` or the clock passes `end_s`,
        and BrokenPipeError if it has disconnected.
        """
        rest = memoryview(chunk)
        while rest:
            wait_s = min(stall_s, end_s - time.monotonic())
            if wait_s <= 0 or not self._poll(select.POLLOUT, wait_s * 1_000):
                raise TimeoutError
            rest = rest[os.write(self._descriptor, rest) :]

    def close(self) -> None:
        """End the body; a client that has read all of it has the whole answer."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._folder.cleanup()

    def break_(self) -> bool:
        """Make Granian close the connection, so that the answer does not look complete.

        At the end of a file Granian completes the answer; only a failed read makes it close the
        connection. A read of an empty pipe that has a writer fails if it may not wait. So its file
        becomes one that may not wait, and one space ends a read that waits already.

        Returns False if Granian has not read that far yet: then the pipe must stay open. If open
        files cannot be listed (no Linux, or none is free) it returns True: the pipe must be closed,
        and only its last line shows that the answer is not complete.
        """
        if self._descriptor < 0 or self.has_no_reader():
            return True
        try:
            numbers = [int(file.name) for file in _OPEN_FILES.iterdir()]
        except OSError:
            return True
        for number in numbers:
            with suppress(OSError):  # another thread has closed that file
                self._set_no_wait(number)
        with suppress(OSError):  # no room: then no read waits
            os.write(self._descriptor, b" ")
        return self.has_no_reader(_BREAK_WITHIN_MS)

    def has_no_reader(self, within_ms: int = 0) -> bool:
        """Return True if Granian has closed the pipe, or closes it in time."""
        return bool(self._poll(0, within_ms))

    def _set_no_wait(self, number: int) -> None:
        # A copy shares the mode of the file, and stays the same file meanwhile.
        copy = os.dup(number)
        try:
            if os.path.samestat(os.fstat(copy), os.fstat(self._descriptor)):
                os.set_blocking(copy, False)
        finally:
            os.close(copy)

    def _poll(self, events: int, within_ms: float) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, events)
        return bool(poll.poll(within_ms))


class StreamBroken(ConnectionResetError):
    """Raised by the chunks of an answer that must not look complete, once they have reported why.

    Both servers then close the connection without a line in their logs, as after a disconnection.
    """

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "The answer is not complete.")
