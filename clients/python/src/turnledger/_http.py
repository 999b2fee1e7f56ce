"""Send requests with httpx. A forked child gets a client of its own.

This module imports httpx. The first `Ledger()` imports it, in the thread that makes it. The
sender's thread must not be the first: openai looks for httpx among the modules in each call, and
fails if another thread has imported half of it.
"""

from __future__ import annotations

import os
import threading
from time import monotonic
from typing import TYPE_CHECKING

import httpx

from ._core.config import Config
from ._core.values import Answer, Request
from ._outbox import forks
from .errors import LedgerTimeoutError, NetworkError

if TYPE_CHECKING:
    from ._deadlines import Deadline

_CONNECTIONS_COUNT = 50
_MOST_BYTES = 64 * 1024 * 1024
# ValueError and ImportError: a proxy of the environment that httpx cannot use. RuntimeError: the
# client is closed by another thread meanwhile.
_NO_ANSWER = (
    httpx.HTTPError,
    httpx.InvalidURL,
    OSError,
    ValueError,
    ImportError,
    RuntimeError,
)
# Clients of a parent process. Closing a TLS socket in a child would break the parent's.
_inherited: list[object] = []


class HttpExchange:
    """Sends one request at a time of each thread; connects at the first one."""

    def __init__(self, config: Config, transport: httpx.BaseTransport | None = None) -> None:
        self._config = config
        self._transport = transport
        self._client: httpx.Client | None = None
        self._deadline: Deadline | None = None
        self._process_id = 0
        self._lock = threading.Lock()
        forks.register(self)

    def __call__(self, request: Request, timeout_s: float) -> Answer:
        """Return the answer; NetworkError or LedgerTimeoutError without one."""
        headers = {"Content-Type": "application/json"} if request.body is not None else {}
        until_s = monotonic() + timeout_s
        try:
            client = self._client
            if client is None or self._process_id != os.getpid():
                client = self._open()
            if self._deadline is not None:
                self._deadline.until_s = until_s
            with client.stream(
                request.method,
                request.path,
                content=request.body,
                params=request.params or None,
                headers=headers,
                timeout=timeout_s,
            ) as answer:
                body = _read(answer, until_s)
        except httpx.TimeoutException as error:
            raise LedgerTimeoutError("The ledger did not answer in time.") from error
        except _NO_ANSWER as error:
            raise NetworkError("The ledger cannot be reached.") from error
        finally:
            if self._deadline is not None:
                self._deadline.until_s = None
        return Answer(answer.status_code, answer.headers, body)

    def before_fork(self) -> None:
        """Let requests go on: the child connects anew."""

    def after_fork_in_parent(self) -> None:
        """Change nothing."""

    def after_fork_in_child(self) -> None:
        """Replace the lock: another thread of the parent may have held it."""
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections of this process."""
        client, self._client = self._client, None
        if client is not None and self._process_id == os.getpid():
            client.close()

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._client is not None and self._process_id == os.getpid():
                return self._client
            _inherited.append(self._client)
            self._client = httpx.Client(
                base_url=self._config.url,
                headers={"Authorization": f"Bearer {self._config.key}", "User-Agent": "turnledger"},
                limits=httpx.Limits(max_connections=_CONNECTIONS_COUNT),
                transport=self._transport,
            )
            if self._transport is None:
                from ._deadlines import Deadline, bound

                self._deadline = Deadline()
                bound(self._client, self._deadline)
            self._process_id = os.getpid()
            return self._client


def _read(answer: httpx.Response, until_s: float) -> bytes:
    """Return the body; ReadTimeout after the deadline, ValueError for an endless one."""
    parts: list[bytes] = []
    left = _MOST_BYTES
    for part in answer.iter_bytes():
        parts.append(part)
        left -= len(part)
        if left < 0:
            raise ValueError("the body is too long for an answer of a ledger")
        if monotonic() > until_s:
            raise httpx.ReadTimeout("the body has not ended in time")
    return b"".join(parts)
