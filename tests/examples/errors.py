"""One exchange for each error code."""

import io
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from flask import Flask

from app.backends.outages import MongodbCircuitOpen
from app.http.application import provided
from app.http.request_errors import BodyTimeout
from app.interactions.service import InteractionService
from app.tenancy.api_keys import ApiKeys
from app.tenancy.model import Scope
from app.tenancy.service import Organizations
from tests.callers import Caller, new_caller
from tests.examples.constant import Clock
from tests.examples.operations import FAILED, TURN
from tests.examples.session import Exchange, Session

LIST = "/v1/interactions"
ID = "int_01KAQYEZPJ4F1M3R7W9C0D2E5H"
UNKNOWN_KEY = f"uniq_live_{'0' * 46}"
DAY_S = 86_400


class SlowBody(io.RawIOBase):
    """A body that does not arrive in time."""

    def readinto(self, _buffer: object) -> int:
        raise BodyTimeout


def record(app: Flask, clock: Clock, caller: Caller) -> dict[str, Exchange]:
    """Return an exchange for each code; `caller` has recorded `TURN`."""
    session = Session(app)
    return {
        **_of_requests(session, caller),
        **_of_bodies(session, caller),
        **_of_limits(app, session),
        **_of_faults(session, caller),
        **_of_credentials(app, session, clock),
    }


def _of_requests(session: Session, caller: Caller) -> dict[str, Exchange]:
    send = _sending(session, caller)
    path = f"{LIST}?limit=1000&from=yesterday"
    return {
        "validation_error": send("GET", path),
        "invalid_cursor": send("GET", f"{LIST}?cursor=eyJ2IjoxfQ"),
        "not_found": send("GET", f"{LIST}/{ID}"),
        "method_not_allowed": send("PATCH", LIST),
        "conflict": send("POST", LIST, body=TURN | {"latency_ms": 1900}),
    }


def _of_bodies(session: Session, caller: Caller) -> dict[str, Exchange]:
    send = _sending(session, caller)
    as_json = {"content_type": "application/json"}
    late = {"environ_overrides": {"wsgi.input": SlowBody(), "CONTENT_LENGTH": "9"}}
    return {
        "request_timeout": send("POST", LIST, **as_json, **late),
        "payload_too_large": send("POST", LIST, data=b" " * 262_145, **as_json),
        "unsupported_media_type": send("POST", LIST, data=b"a=1", content_type="text/plain"),
    }


def _of_limits(app: Flask, session: Session) -> dict[str, Exchange]:
    fast = _sending(session, new_caller(app, "free", burst=5))
    for _ in range(5):
        fast("GET", "/v1/me")
    spent = _sending(session, new_caller(app, "free", turns=1))
    spent("POST", LIST, body=TURN)
    again = TURN | {"turn_id": "turn-7f4a"}
    return {
        "rate_limit_exceeded": fast("GET", "/v1/me"),
        "quota_exhausted": spent("POST", LIST, body=again),
    }


def _of_faults(session: Session, caller: Caller) -> dict[str, Exchange]:
    send = _sending(session, caller)
    read = "get_"
    with patch.object(InteractionService, read, side_effect=RuntimeError):
        internal = send("GET", f"{LIST}/{ID}")
    with patch.object(InteractionService, read, side_effect=MongodbCircuitOpen):
        unavailable = send("GET", f"{LIST}/{ID}")
    return {"internal_error": internal, "service_unavailable": unavailable}


def _of_credentials(app: Flask, session: Session, clock: Clock) -> dict[str, Exchange]:
    reader = new_caller(app, scope=Scope.READ)
    suspended = new_caller(app)
    with app.app_context():
        provided(Organizations).suspend(suspended.organization.id)
        _, token = provided(ApiKeys).issue(
            reader.organization.id, reader.environment, Scope.READ, expires_in_days=1
        )
    ending = Caller(app, reader.organization, reader.environment, token)
    unknown = Caller(app, reader.organization, reader.environment, UNKNOWN_KEY)
    exchanges = {
        "authentication_error": session.exchange("GET", "/v1/me"),
        "invalid_token": session.exchange("GET", "/v1/me", caller=unknown),
        "payment_required": session.exchange("GET", "/v1/me", caller=suspended),
        "permission_denied": session.exchange("POST", LIST, caller=reader, body=FAILED),
    }
    clock.move(s=2 * DAY_S)
    return exchanges | {"token_expired": session.exchange("GET", "/v1/me", caller=ending)}


def _sending(session: Session, caller: Caller) -> Callable[..., Exchange]:
    def send(method: str, path: str, **options: Any) -> Exchange:
        return session.exchange(method, path, caller=caller, **options)

    return send
