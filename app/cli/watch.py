"""Work that repeats until the platform asks it to end."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

import structlog

from app.backends.outages import OUTAGES, as_outages
from app.backends.reasons import reason_of

EVERY_S = 60
_log = structlog.get_logger("turnledger.worker")


class Stopped(BaseException):
    """SIGTERM or Ctrl-C arrived while waiting.

    Like KeyboardInterrupt no `Exception`: containing a failure must not contain the end.
    """


class Watch:
    """Repeats one piece of work; a store that is ill costs one pass, not the worker."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._stop = Event()

    def run(self, work: Callable[[Callable[[float], None]], None]) -> None:
        """Call `work(wait)` again and again until SIGTERM or Ctrl-C; then return.

        `work` waits with the `wait` that it is given, so that it ends at once when it must.
        """
        with self._listening():
            while not self._stop.is_set():
                try:
                    with as_outages():
                        work(self.wait)
                    self.wait(self._every_s)
                except Stopped:
                    return
                except OUTAGES as error:
                    words = {"error": type(error).__name__, "reason": reason_of(error)}
                    _log.warning("store_unavailable", **words)
                    self._stop.wait(self._every_s)

    def wait(self, seconds: float) -> None:
        """Wait; `Stopped` as soon as the end is asked for."""
        if self._stop.wait(seconds):
            raise Stopped

    @contextmanager
    def _listening(self) -> Iterator[None]:
        names = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(name, lambda *_: self._stop.set()) for name in names]
        try:
            yield
        finally:
            for name, handler in zip(names, before, strict=True):
                signal.signal(name, handler)
