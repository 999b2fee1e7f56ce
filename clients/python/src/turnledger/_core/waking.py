"""An event for threads that the garbage collector may set, too."""

from __future__ import annotations

import threading


class Wake:
    """As `threading.Event`, and safe to set inside of its own methods.

    A stream that nobody holds ends in the garbage collector, which may run in any thread at any
    place. The lock of `threading.Event` would then wait for itself.
    """

    def __init__(self) -> None:
        self._cond = threading.Condition(threading.RLock())
        self._is_set = False

    def is_set(self) -> bool:
        """Return True if it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and let all waiting threads go on."""
        with self._cond:
            self._is_set = True
            self._cond.notify_all()

    def clear(self) -> None:
        """Let threads wait again."""
        self._is_set = False

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is set, for so long at most; return True if it is set."""
        with self._cond:
            if not self._is_set:
                self._cond.wait(timeout_s)
            return self._is_set
