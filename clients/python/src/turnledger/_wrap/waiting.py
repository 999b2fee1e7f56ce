"""Keep what LiteLLM will report later."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Waiting(Generic[T]):
    """Values by a token of their own, and by LiteLLM's id of an attempt.

    Customers may choose that id, so it never leaves this process, and several attempts may have
    the same one: the oldest comes first.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._values: OrderedDict[str, tuple[str | None, T, float]] = OrderedDict()
        self._tokens: dict[str | None, deque[str]] = {}

    def add(self, id_: str | None, value: T) -> str:
        """Keep a value, and return its token, which nobody can guess."""
        token = secrets.token_hex(16)
        with self._lock:
            self._values[token] = id_, value, self._monotonic_s()
            self._tokens.setdefault(id_, deque()).append(token)
        return token

    def has(self, token: object) -> bool:
        """Return True if the value of `token` waits."""
        return isinstance(token, str) and token in self._values

    def take(self, token: str) -> T | None:
        """Return the value of `token`, once; None if there is none."""
        with self._lock:
            return self._take(token) if token in self._values else None

    def pop(self, id_: str | None) -> T | None:
        """Return the oldest value of `id_`, once; None if there is none."""
        with self._lock:
            tokens = self._tokens.get(id_)
            return self._take(tokens[0]) if tokens else None

    def pop_old(self, longest_s: float) -> list[T]:
        """Return the values that wait longer than `longest_s`, once."""
        before_s = self._monotonic_s() - longest_s
        with self._lock:
            old = []
            for token, (_, _, since_s) in self._values.items():
                if since_s >= before_s:
                    break
                old.append(token)
            return [self._take(token) for token in old]

    def _take(self, token: str) -> T:
        id_, value, _ = self._values.pop(token)
        tokens = self._tokens[id_]
        tokens.remove(token)
        if not tokens:
            del self._tokens[id_]
        return value
