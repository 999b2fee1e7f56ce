"""One request for each error code that the in-memory application answers with that code."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pymongo.errors import NetworkTimeout
from werkzeug.test import TestResponse

from app.http.application import provided
from app.http.body import UnreadBody
from app.http.request_errors import BodyTimeout
from app.interactions.store import InteractionStore
from app.tenancy.key_format import generate
from app.tenancy.model import Environment, Scope
from app.tenancy.service import Organizations
from tests.callers import LIST, TURNS, Caller, Clock, new_caller
from tests.turns import body, reservation

HOST = "https://ledger.example"
DAY_S = 86_400


class _Broken:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error


def provoke(code: str, caller: Caller, clock: Clock) -> TestResponse:
    """Return the answer to a request that is answered with `code`."""
    return _RECIPES[code](caller, clock)


def _ask(caller: Caller, method: str, path: str, **options: Any) -> TestResponse:
    return caller(method, path, base_url=HOST, **options)


def _without_key(caller: Caller, _: Clock) -> TestResponse:
    return caller.app.test_client().get("/v1/me", base_url=HOST)


def _with_unknown_key(caller: Caller, _: Clock) -> TestResponse:
    unknown = replace(caller, token=generate(Environment.LIVE).token)
    return _ask(unknown, "GET", "/v1/me")


def _with_expired_key(caller: Caller, clock: Clock) -> TestResponse:
    made = caller("POST", "/v1/api-keys", json={"scope": "read", "expires_in_days": 1})
    clock.move(s=2 * DAY_S)
    return _ask(replace(caller, token=made.get_json()["key"]), "GET", "/v1/me")


def _while_suspended(caller: Caller, _: Clock) -> TestResponse:
    with caller.app.app_context():
        provided(Organizations).suspend(caller.organization.id)
    return _ask(caller, "GET", "/v1/me")


def _with_lesser_scope(caller: Caller, _: Clock) -> TestResponse:
    reader = new_caller(caller.app, scope=Scope.READ, of=caller.organization)
    return _ask(reader, "POST", LIST, json=body())


def _unread(caller: Caller, _: Clock) -> TestResponse:
    unread = {"wsgi.input": UnreadBody(BodyTimeout()), "wsgi.input_terminated": True}
    headers = {"Content-Type": "application/json"}
    return _ask(caller, "POST", LIST, headers=headers, environ_overrides=unread)


def _with_other_content(caller: Caller, _: Clock) -> TestResponse:
    turn = body()
    caller.record(turn)
    return _ask(caller, "POST", LIST, json=turn | {"latency_ms": 2_000})


def _with_empty_bucket(caller: Caller, _: Clock) -> TestResponse:
    limited = new_caller(caller.app, "free")
    for _number in range(10):
        limited.list_()
    return _ask(limited, "GET", LIST)


def _with_spent_quota(caller: Caller, _: Clock) -> TestResponse:
    limited = new_caller(caller.app, "free", turns=1)
    limited.record(body())
    return _ask(limited, "POST", TURNS, json=reservation())


def _with_broken_store(error: Exception) -> Callable[[Caller, Clock], TestResponse]:
    def ask(caller: Caller, _: Clock) -> TestResponse:
        with caller.app.app_context():
            store: Any = provided(InteractionStore)
        store._rows = _Broken(error)
        return _ask(caller, "GET", LIST)

    return ask


_RECIPES: dict[str, Callable[[Caller, Clock], TestResponse]] = {
    "validation_error": lambda caller, _: _ask(caller, "GET", f"{LIST}?limit=1000&foo=1"),
    "invalid_cursor": lambda caller, _: _ask(caller, "GET", f"{LIST}?cursor=WzIsIjk1"),
    "authentication_error": _without_key,
    "invalid_token": _with_unknown_key,
    "token_expired": _with_expired_key,
    "payment_required": _while_suspended,
    "permission_denied": _with_lesser_scope,
    "not_found": lambda caller, _: _ask(caller, "GET", f"{LIST}/int_01M857XXQR2GNR1S1XH5D8P7Q6"),
    "method_not_allowed": lambda caller, _: _ask(caller, "DELETE", LIST),
    "request_timeout": _unread,
    "conflict": _with_other_content,
    "payload_too_large": lambda caller, _: caller(
        "POST", LIST, base_url=HOST, json={"turn_id": "x" * 300_000}
    ),
    "unsupported_media_type": lambda caller, _: _ask(
        caller, "POST", LIST, data="turn_id=1", content_type="application/x-www-form-urlencoded"
    ),
    "rate_limit_exceeded": _with_empty_bucket,
    "quota_exhausted": _with_spent_quota,
    "internal_error": _with_broken_store(RuntimeError("broken")),
    "service_unavailable": _with_broken_store(NetworkTimeout("late")),
}
