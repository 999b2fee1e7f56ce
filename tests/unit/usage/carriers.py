"""Threads that move in turns, reused: starting one takes longer than most of their work."""

from collections.abc import Callable
from threading import Lock, Thread
from typing import ClassVar


class Carrier:
    """A thread that moves only while another waits in `resume`; it serves one actor at a time."""

    _idle: ClassVar[list["Carrier"]] = []

    def __init__(self) -> None:
        self._work: Callable[[], None] = lambda: None
        self._go, self._gone = Lock(), Lock()
        for lock in (self._go, self._gone):
            lock.acquire()
        Thread(target=self._serve, daemon=True).start()

    @classmethod
    def of(cls, work: Callable[[], None]) -> "Carrier":
        """Return a carrier that does `work` when it is resumed."""
        carrier = cls._idle.pop() if cls._idle else cls()
        carrier._work = work
        return carrier

    def resume(self) -> None:
        """Wait until the work pauses or ends."""
        self._go.release()
        self._gone.acquire()

    def pause(self) -> None:
        """Let the other go on, until it resumes this work."""
        self._gone.release()
        self._go.acquire()

    def _serve(self) -> None:
        self._go.acquire()
        while True:
            self._work()
            self._idle.append(self)
            self.pause()
