"""A ledger in memory, for tests of programs that use this package.

fake = FakeLedger(turns_limit=2)
ledger = fake.ledger()
run_my_agent(ledger)
ledger.flush()
assert [turn["status"] for turn in fake.turns.values()] == ["completed"]

It checks bodies, counts quotas and answers as the service does, also with a rate limit: the tests
of this package send both the same requests.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import httpx

from ._fake.account import Stored
from ._fake.quota import Hold, Limits
from ._fake.service import FakeService, Reply, Sent
from ._fake.wire import CODE_OF_STATUS, Refusal
from ._sync import Ledger

__all__ = ["FakeLedger"]

Body = dict[str, Any]
# A status to answer with, or an exception in place of an answer.
Fault = int | Exception
_URL = "http://ledger.test"
_KEY = "uniq_test_" + "0" * 46


class FakeLedger:
    """Takes recordings, reservations and completions as a ledger does, with a quota and faults.

    * `turns_limit`, `relationships_limit`, `uncharged_turns_limit`: the quota; None for none.
    * `requests_per_second`, `burst`: the rate limit, by default one that no test meets.
    * `turns`: what is recorded, by `turn_id`, as it was sent.
    * `reservations`: what is held, by interaction id.
    * `requests`: method and path of each request, in order; `bodies`: what each one sent.
    * `is_down`: while it is true no request has an answer.
    """

    def __init__(
        self,
        *,
        turns_limit: int | None = None,
        relationships_limit: int | None = None,
        uncharged_turns_limit: int | None = None,
        requests_per_second: int = 10_000,
        burst: int = 100_000,
        overage_policy: Literal["block", "allow"] = "block",
        scope: Literal["read", "read_write"] = "read_write",
        now: Callable[[], float] = time.time,
    ) -> None:
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
        self._service = FakeService(limits, ["read"] if scope == "read" else ["read", "read_write"])
        self._now = now
        self._moved_s = 0.0
        self._faults: deque[tuple[Fault, bool]] = deque()
        self._lock = threading.Lock()

    @property
    def transport(self) -> httpx.MockTransport:
        """The transport for `Ledger(transport=…)`, `AsyncLedger` and other clients of httpx."""
        return httpx.MockTransport(self._answer)

    def ledger(self, **options: Any) -> Ledger:
        """Return a ledger client of this fake, with its outbox in memory."""
        defaults: Body = {"outbox": "memory", "personality_id": "pers_test"}
        return Ledger(_URL, _KEY, transport=self.transport, **defaults | options)

    def fail(self, *faults: Fault, is_stored: bool = False) -> None:
        """Answer the next requests with these statuses, or raise these exceptions of httpx.

        With `is_stored` the requests are carried out first: only their answers are lost.
        """
        self._faults.extend((fault, is_stored) for fault in faults)

    def advance(self, seconds: float) -> None:
        """Move the ledger's clock: holds expire, the bucket refills, billing periods end."""
        self._moved_s += seconds

    @property
    def turns_limit(self) -> int | None:
        """The quota of turns; None for none."""
        return self._service.limits.turns

    @turns_limit.setter
    def turns_limit(self, limit: int | None) -> None:
        with self._lock:
            self._service.change_limits(replace(self._service.limits, turns=limit))

    @property
    def turns(self) -> dict[str, Body]:
        """What is recorded, by `turn_id`, as it was sent."""
        return {turn.turn_id: dict(turn.sent) for turn in self._stored()}

    @property
    def items(self) -> dict[str, Body]:
        """What is recorded, by `turn_id`, as the API shows it."""
        return {turn.turn_id: dict(turn.item) for turn in self._stored()}

    @property
    def reservations(self) -> dict[str, Hold]:
        """What is held, by interaction id; completed, cancelled and expired ones are gone."""
        with self._lock:
            accounts = self._service.accounts.values()
            holds = [hold for account in accounts for hold in account.quota.holds.values()]
            now_ms = self._now_ms()
        return {hold.interaction_id: hold for hold in holds if hold.expires_ms > now_ms}

    @property
    def turns_used(self) -> int:
        """Turns of the quota that are recorded."""
        return sum(turn.item["usage"]["turns_consumed"] for turn in self._stored())

    def _stored(self) -> list[Stored]:
        with self._lock:
            accounts = self._service.accounts.values()
            return [turn for account in accounts for turn in account.turns.values()]

    def _now_ms(self) -> int:
        return int((self._now() + self._moved_s) * 1000)

    def _answer(self, request: httpx.Request) -> httpx.Response:
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
        fault, is_stored = self._faults.popleft() if self._faults else (None, True)
        if is_stored:
            reply = self._service.answer(sent)
        if fault is None:
            return reply
        if isinstance(fault, Exception):
            raise fault
        wait_ms = 1_000 if fault in {429, 503} else None
        code = CODE_OF_STATUS.get(fault, "internal_error")
        refusal = Refusal(code, "A test asked for this fault.", wait_ms=wait_ms, status=fault)
        return self._service.refuse(refusal, None, now_ms)
