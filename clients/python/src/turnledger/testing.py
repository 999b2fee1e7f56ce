"""A ledger in memory, for tests of programs that use this package.

fake = FakeLedger(turns_limit=2)
ledger = fake.ledger()
run_my_agent(ledger)
ledger.flush()
assert [turn["status"] for turn in fake.turns.values()] == ["completed"]
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx

from ._core.clock import format_ms
from ._core.ids import new_turn_id
from ._sync import Ledger

Body = dict[str, Any]
# A status to answer with, or an exception in place of an answer.
Fault = int | Exception
_CHARGED = ("completed", "guardrail_blocked")
_URL = "http://ledger.test"
_KEY = "uniq_test_" + "0" * 46


class _Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, code: str, details: Any = None) -> None:
        super().__init__(code)
        self.status, self.code, self.details = status, code, details

    def element(self) -> Body:
        """Return the error as an element of a batch shows it."""
        return {
            "code": self.code,
            "message": f"The fake ledger refused: {self.code}.",
            "type": "fake",
            "details": self.details,
        }


class FakeLedger:
    """Takes recordings, reservations and completions as a ledger does, with a quota and faults.

    * `turns_limit`: the quota; None for none.
    * `turns`: what is recorded, by `turn_id`, as it was sent.
    * `reservations`: what is held, by interaction id.
    * `requests`: method and path of each request, in order.
    """

    def __init__(self, *, turns_limit: int | None = None) -> None:
        self.turns_limit = turns_limit
        self.turns: dict[str, Body] = {}
        self.reservations: dict[str, Body] = {}
        self.requests: list[tuple[str, str]] = []
        self._ids: dict[str, str] = {}
        self._cancelled: set[str] = set()
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()

    @property
    def transport(self) -> httpx.MockTransport:
        """The transport for `Ledger(transport=…)`."""
        return httpx.MockTransport(self._answer)

    def ledger(self, **options: Any) -> Ledger:
        """Return a ledger client of this fake, with its outbox in memory."""
        defaults: Body = {"outbox": "memory", "personality_id": "pers_test"}
        return Ledger(_URL, _KEY, transport=self.transport, **defaults | options)

    def fail(self, *faults: Fault) -> None:
        """Answer the next requests with these statuses, or raise these exceptions of httpx."""
        self._faults.extend(faults)

    @property
    def turns_used(self) -> int:
        """Turns of the quota that are recorded."""
        return sum(_cost(turn) for turn in self.turns.values())

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        with self._lock:
            self.requests.append((request.method, path))
            fault = self._faults.popleft() if self._faults else None
            if isinstance(fault, Exception):
                raise fault
            if fault is not None:
                refused = _Refused(fault, "service_unavailable" if fault >= 500 else "fault")
                return _envelope(refused)
            try:
                body = json.loads(request.content) if request.content else {}
                return self._route(request.method, path, body)
            except _Refused as refused:
                return _envelope(refused)

    def _route(self, method: str, path: str, body: Body) -> httpx.Response:
        id_ = path.rpartition("/")[2]
        routes: dict[tuple[str, str], Callable[[], httpx.Response]] = {
            ("POST", "/v1/interactions"): lambda: self._record(body),
            ("POST", "/v1/interactions/batch"): lambda: _batch(body["interactions"], self._record),
            ("POST", "/v1/turns"): lambda: self._reserve(body),
            ("POST", "/v1/turns/completions"): lambda: _batch(body["completions"], self._complete),
            ("PUT", f"/v1/turns/{id_}"): lambda: self._complete({**body, "interaction_id": id_}),
            ("DELETE", f"/v1/turns/{id_}"): lambda: self._cancel(id_),
            ("GET", "/v1/me"): lambda: _json(_ME),
            ("GET", "/v1/usage/turns"): lambda: _json({"data": [], "quota": self._quota()}),
            ("GET", "/v1/interactions"): self._list,
        }
        route = routes.get((method, path))
        if route is None:
            raise _Refused(404, "not_found")
        return route()

    def _record(self, body: Body) -> httpx.Response:
        turn_id = body["turn_id"]
        if turn_id in self._cancelled:
            raise _Refused(409, "conflict", {"reason": "cancelled"})
        found = self._find_same(turn_id, body)
        if found is not None:
            return found
        self._require_room(_cost(body), turn_id)
        return self._store(turn_id, body, self._ids.get(turn_id) or _new_id())

    def _complete(self, sent: Body) -> httpx.Response:
        body = {name: value for name, value in sent.items() if name != "interaction_id"}
        turn_id, id_ = body["turn_id"], sent["interaction_id"]
        if self._ids.get(turn_id) != id_:
            raise _Refused(400, "validation_error", [{"field": "turn_id", "code": "mismatch"}])
        if turn_id in self._cancelled:
            raise _Refused(409, "conflict", {"reason": "cancelled"})
        return self._find_same(turn_id, body) or self._store(turn_id, body, id_)

    def _reserve(self, body: Body) -> httpx.Response:
        turn_id = body["turn_id"]
        if turn_id in self.turns:
            raise _Refused(409, "conflict", {"reason": "recorded"})
        if turn_id in self._cancelled:
            raise _Refused(409, "conflict", {"reason": "cancelled"})
        id_ = self._ids.get(turn_id)
        held = self.reservations.get(id_) if id_ else None
        if held is not None and held["people"] != _people(body):
            raise _Refused(409, "conflict", {"reason": "reserved_elsewhere"})
        status = 201 if held is None else 200
        if held is None:
            self._require_room(1, turn_id)
            id_ = self._ids[turn_id] = _new_id()
            expires = datetime.now(timezone.utc) + timedelta(seconds=body.get("hold_seconds", 150))
            held = {"people": _people(body), "expires_at": expires.isoformat()}
            self.reservations[id_] = held
        answer = {"interaction_id": id_, "expires_at": held["expires_at"], "quota": self._quota()}
        return _json(answer, status)

    def _cancel(self, id_: str) -> httpx.Response:
        turn_id = next((turn for turn, known in self._ids.items() if known == id_), None)
        if turn_id in self.turns:
            raise _Refused(409, "conflict", {"reason": "recorded"})
        if self.reservations.pop(id_, None) is not None and turn_id is not None:
            self._cancelled.add(turn_id)
        return httpx.Response(204)

    def _list(self) -> httpx.Response:
        items = [{"interaction_id": self._ids[turn_id]} for turn_id in self.turns]
        return _json({"data": items, "next_cursor": None})

    def _find_same(self, turn_id: str, body: Body) -> httpx.Response | None:
        """Answer a turn that is recorded already."""
        stored = self.turns.get(turn_id)
        if stored is None:
            return None
        if stored != body:
            raise _Refused(409, "conflict", {"reason": "other_content"})
        return _json({"interaction_id": self._ids[turn_id]})

    def _store(self, turn_id: str, body: Body, id_: str) -> httpx.Response:
        self.reservations.pop(id_, None)
        self.turns[turn_id] = body
        self._ids[turn_id] = id_
        return _json({"interaction_id": id_}, 201)

    def _require_room(self, cost: int, turn_id: str) -> None:
        limit = self.turns_limit
        own = self._ids.get(turn_id) in self.reservations
        used = self.turns_used + len(self.reservations) - own
        if limit is not None and cost and used + cost > limit:
            details = {"component": "turns", "used": used, "limit": limit, "resets_at": _END}
            raise _Refused(429, "quota_exhausted", details)

    def _quota(self) -> Body:
        limit, used = self.turns_limit, self.turns_used
        held = len(self.reservations)
        return {
            "turns_used": used,
            "turns_reserved": held,
            "turns_limit": limit,
            "turns_remaining": None if limit is None else max(0, limit - used - held),
            "period_start": _START,
            "period_end": _END,
            "overage_policy": "block",
        }


def _batch(elements: list[Body], store: Callable[[Body], httpx.Response]) -> httpx.Response:
    results = []
    for element in elements:
        try:
            answer = store(element)
            state = "created" if answer.status_code == 201 else "duplicate"
            results.append({"status": state, **answer.json()})
        except _Refused as refused:
            results.append({"status": "rejected", "error": refused.element()})
    return _json({"results": results})


def _cost(body: Body) -> int:
    cost: int | None = (body.get("usage") or {}).get("turns_consumed")
    return int(body["status"] in _CHARGED) if cost is None else cost


def _people(body: Body) -> Any:
    return body.get("relationship_id")


def _new_id() -> str:
    return f"int_{new_turn_id()}"


def _json(body: Any, status: int = 200) -> httpx.Response:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    return httpx.Response(status, json=body, headers={"Date": date})


def _envelope(refused: _Refused) -> httpx.Response:
    headers = {"Retry-After": "1"} if refused.status in {429, 503} else {}
    error = {**refused.element(), "request_id": new_turn_id()}
    return httpx.Response(refused.status, json={"error": error}, headers=headers)


_START = format_ms(0)
_END = "2999-01-01T00:00:00.000Z"
_ME = {
    "organization": {"id": "org_fake", "name": "Fake"},
    "key_id": "key_fake",
    "scopes": ["read", "read_write"],
    "environment": "test",
    "plan": "fake",
}
