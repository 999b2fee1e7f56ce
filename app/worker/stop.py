"""Ask chores to end, and let each notice it while it waits."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

Wait = Callable[[float], None]


class Stopped(BaseException):
    """Raised in a chore that waits after the end was asked for.

    Like KeyboardInterrupt it is no `Exception`: code that contains failures must not contain it.
    """


class Stop:
    """A request to end that all chores of a worker share."""

    def __init__(self) -> None:
        self._is_asked = False
        self._asked = Event()

    def ask(self) -> None:
        """Ask every chore to end at its next wait."""
        if self._is_asked:
            return
        # Before `set`, which holds a lock: a second signal may interrupt it in the same thread.
        self._is_asked = True
        self._asked.set()

    def wait(self, seconds: float) -> None:
        """Wait so long; raise `Stopped` as soon as the end is asked for."""
        if self._asked.wait(seconds):
            raise Stopped

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Ask for the end on SIGTERM and SIGINT during the block; main thread only."""
        names = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(name, lambda *_: self.ask()) for name in names]
        try:
            yield
        finally:
            for name, handler in zip(names, before, strict=True):
                signal.signal(name, handler)
