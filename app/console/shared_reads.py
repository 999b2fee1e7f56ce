"""Share what is read between pages, so that open consoles cost each process little."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple, TypeVar, cast

from flask import Flask, current_app

from app.http.instants import format_datetime, utc_now

# A read that took 5 ms is reused for half a second, and none for longer than a minute.
RATIO = 100
MOST_S = 60
_EXTENSION = "turnledger.shared_reads"

T = TypeVar("T")


class Read(NamedTuple):
    """A value, the instant at which its read began, and when it is read again."""

    value: Any
    as_of: str
    until_s: float


class SharedReads:
    """Keeps values by name, each for `RATIO` times as long as it took to read, at most `MOST_S`.

    Safe between threads. Requests for the same name wait for one read. A failed one is not kept.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._locks: dict[str, Lock] = {}
        self._reads: dict[str, Read] = {}

    def read(self, name: str, read: Callable[[], T]) -> tuple[T, str]:
        """Return the value of `read`, and the instant at which it was true."""
        with self._lock:
            lock = self._locks.setdefault(name, Lock())
        with lock:
            kept = self._reads.get(name)
            began_s = self._monotonic()
            if kept is None or began_s >= kept.until_s:
                as_of, value = format_datetime(utc_now()), read()
                ended_s = self._monotonic()
                kept_s = min(MOST_S, RATIO * (ended_s - began_s))
                kept = self._reads[name] = Read(value, as_of, ended_s + kept_s)
            return cast("T", kept.value), kept.as_of


def init_app(app: Flask) -> None:
    """Give `app` its shared reads."""
    app.extensions[_EXTENSION] = SharedReads()


def shared(name: str, read: Callable[[], T]) -> tuple[T, str]:
    """Return the value of `read`, or one that this process has just read under `name`."""
    reads: SharedReads = current_app.extensions[_EXTENSION]
    return reads.read(name, read)
