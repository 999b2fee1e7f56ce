"""A ledger in memory for tests: quota, rate limit, reservations and faults, without a network.

    fake = FakeLedger(turns_limit=2)
    ledger = Ledger("http://ledger.test", FakeLedger.KEY, transport=fake, outbox="memory")

It answers as the service does. It is a transport of httpx, for `Ledger`, `AsyncLedger` and any
other client of httpx.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from turnledger._fake.quota import Hold, Limits
from turnledger._fake.service import FakeService, Reply, Sent
from turnledger._fake.wire import CODE_OF_STATUS, Refusal

__all__ = ["FakeLedger", "Fault"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Describe what befalls a request.

    | field | effect |
    | --- | --- |
    | `status` | an error of this status, with `Retry-After` if `retry_after_s` is set |
    | `error` | without a status: the connection fails with this exception of httpx |
    | `is_stored` | the request is carried out first: only its answer is lost |
    """

    status: int | None = None
    error: type[httpx.TransportError] = httpx.ConnectError
    retry_after_s: int | None = None
    is_stored: bool = False


class FakeLedger(httpx.MockTransport):
    """Answer requests as the service does, from memory; safe between threads.

    While `is_down` is true no request has an answer. `requests` lists the method and path of each
    request, `bodies` what it sent.
    """

    KEY = "uniq_test_FakeLedgerKeyForTests"

    def __init__(
        self,
        *,
        turns_limit: int | None = None,
        relationships_limit: int | None = None,
        uncharged_turns_limit: int | None = None,
        requests_per_second: int = 500,
        burst: int = 1_000,
        overage_policy: Literal["block", "allow"] = "block",
        scope: Literal["read", "read_write"] = "read_write",
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(self._handle)
        self.is_down = False
        self.requests: list[tuple[str, str]] = []
        self.bodies: list[bytes] = []
        limits = Limits(
            turns=turns_limit,
            relationships=relationships_limit,
            uncharged_turns=uncharged_turns_limit,
            requests_per_second=requests_per_second,
            burst=burst,
            overage_policy=overage_policy,
        )
        scopes = ["read"] if scope == "read" else ["read", "read_write"]
        self._service = FakeService(limits, scopes)
        self._now = now
        self._moved_s = 0.0
        self._faults: list[Fault] = []
        self._lock = threading.RLock()

    @property
    def turns(self) -> list[dict[str, Any]]:
        """Return the stored turns as the API shows them, with their `turn_id`, oldest first."""
        with self._lock:
            accounts = self._service.accounts.values()
            stored = [turn for account in accounts for turn in account.turns.values()]
        return [{"turn_id": turn.turn_id, **turn.item} for turn in stored]

    @property
    def open_reservations(self) -> list[Hold]:
        """Return the reservations that are neither completed, cancelled nor expired."""
        with self._lock:
            accounts = self._service.accounts.values()
            holds = [hold for account in accounts for hold in account.quota.holds.values()]
            now_ms = self._now_ms()
        return [hold for hold in holds if hold.expires_ms > now_ms]

    def fail(
        self,
        status: int | None = None,
        *,
        times: int = 1,
        error: type[httpx.TransportError] = httpx.ConnectError,
        retry_after_s: int | None = None,
        is_stored: bool = False,
    ) -> None:
        """Let the next requests fail as `Fault` describes; by default one has no answer."""
        with self._lock:
            self._faults += [Fault(status, error, retry_after_s, is_stored)] * times

    def advance(self, seconds: float) -> None:
        """Move the ledger's clock: holds expire, the bucket refills, billing periods end."""
        with self._lock:
            self._moved_s += seconds

    def _now_ms(self) -> int:
        return int((self._now() + self._moved_s) * 1000)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        with self._lock:
            self.requests.append((request.method, request.url.path))
            self.bodies.append(body)
            if self.is_down:
                raise httpx.ConnectError("The ledger is down.", request=request)
            reply = self._reply(request, body)
        if reply.content is None:
            return httpx.Response(reply.status, headers=reply.headers)
        return httpx.Response(reply.status, headers=reply.headers, json=reply.content)

    def _reply(self, request: httpx.Request, body: bytes) -> Reply:
        url, now_ms = request.url, self._now_ms()
        sent = Sent(request.method, url.path, url.query.decode(), request.headers, body, now_ms)
        fault = self._faults.pop(0) if self._faults else None
        if fault is None:
            return self._service.answer(sent)
        if fault.is_stored:
            self._service.answer(sent)
        if fault.status is None:
            raise fault.error("The ledger does not answer.", request=request)
        wait_ms = None if fault.retry_after_s is None else fault.retry_after_s * 1000
        refusal = Refusal(CODE_OF_STATUS[fault.status], "A test asks for it.", wait_ms=wait_ms)
        return self._service.refuse(refusal, None, now_ms)
