"""A clock that stands still until it is moved, and random numbers that repeat."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, tzinfo
from typing import Self
from unittest.mock import patch

from ulid import ULIDGenerator

from app.http.instants import parse_ns


class Clock:
    """The instant for all code, in nanoseconds since 1970."""

    def __init__(self, start: str) -> None:
        self.now_ns = parse_ns(start)

    def move(self, *, s: int) -> None:
        self.now_ns += s * 1_000_000_000

    def read_ns(self) -> int:
        return self.now_ns

    def read_ms(self) -> int:
        return self.now_ns // 1_000_000

    def read_s(self) -> float:
        return self.now_ns / 1_000_000_000


@contextmanager
def constant_surroundings(start: str) -> Iterator[Clock]:
    """Let every source of time and randomness repeat, from the instant `start` on."""
    clock, numbers = Clock(start), random.Random(1)  # noqa: S311 - it must repeat

    class Moments(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(clock.read_s(), tz)

        @classmethod
        def utcnow(cls) -> Self:
            return cls.now(UTC).replace(tzinfo=None)

    generator = ULIDGenerator(clock.read_ms, lambda _ms: numbers.randbytes(10))
    replaced = {
        "time.time": clock.read_s,
        "time.time_ns": clock.read_ns,
        "time.monotonic_ns": clock.read_ns,
        "app.http.instants.datetime": Moments,
        "mongomock.utcnow": Moments.utcnow,
        "random._urandom": numbers.randbytes,
        "ulid.default_generator": generator,
    }
    with ExitStack() as stack:
        for name, value in replaced.items():
            stack.enter_context(patch(name, value))
        yield clock
