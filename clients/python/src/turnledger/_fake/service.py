"""Route requests to the account of their key: authentication, rate limit, bodies, answers."""

import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs

from . import reads
from .account import FakeAccount, Item
from .quota import Bucket, Limits
from .wire import Refusal, field_error, interaction_id, invalid

_KEY = re.compile(r"Bearer uniq_(live|test)_[A-Za-z0-9]{8,}", re.ASCII)
_MOST_BYTES = 256 * 1024
_MOST_BATCH_BYTES = 1024 * 1024
_MOST_ELEMENTS = 500
_ELEMENTS_PER_TOKEN = 50
_TURN_PATH = "/v1/turns/"
_BATCHES = {"/v1/interactions/batch": "interactions", "/v1/turns/completions": "completions"}


@dataclass(frozen=True, slots=True)
class Sent:
    """Hold a request as it came; the names of headers are lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    now_ms: int


@dataclass(frozen=True, slots=True)
class Reply:
    """Hold an answer; a content of None is no body."""

    status: int
    headers: Mapping[str, str]
    content: Any


class FakeService:
    """Hold the accounts, one for each environment."""

    def __init__(self, limits: Limits, scopes: Sequence[str]) -> None:
        self.accounts: dict[str, FakeAccount] = {}
        self.limits = limits
        self._scopes = list(scopes)
        self._requests_count = 0

    def change_limits(self, limits: Limits) -> None:
        """Apply other limits from now on."""
        self.limits = limits
        for account in self.accounts.values():
            account.change_limits(limits)

    def answer(self, sent: Sent) -> Reply:
        """Carry out one request."""
        account = None
        try:
            account = self._admit(sent)
            status, content = self._carry_out(sent, account, _read_body(sent))
        except Refusal as refusal:
            if account is not None and _is_peek(sent):
                return self._answer_refusal(refusal, account.peek_bucket, sent.now_ms)
            return self.refuse(refusal, account, sent.now_ms)
        if _is_peek(sent):
            return Reply(status, self._headers(account.peek_bucket, sent.now_ms), content)
        headers = self._headers(account.bucket, sent.now_ms)
        if sent.method != "GET" or sent.path.startswith("/v1/usage"):
            account.quota.is_loaded = True
            headers |= account.quota.headers()
        return Reply(status, headers, content)

    def refuse(self, refusal: Refusal, account: FakeAccount | None, now_ms: int) -> Reply:
        """Return the answer of a refusal."""
        reply = self._answer_refusal(refusal, account.bucket if account else None, now_ms)
        if account is not None and refusal.status not in {400, 404}:
            return replace(reply, headers={**reply.headers, **account.quota.headers()})
        return reply

    def _answer_refusal(self, refusal: Refusal, bucket: Bucket | None, now_ms: int) -> Reply:
        headers = self._headers(bucket, now_ms) | refusal.headers
        if refusal.wait_ms is not None:
            headers["Retry-After"] = str(max(1, -(-refusal.wait_ms // 1000)))
        about = {
            "request_id": headers["X-Request-Id"],
            "documentation_url": f"http://ledger.test/docs/errors/{refusal.code}",
        }
        return Reply(refusal.status, headers, {"error": {**refusal.body(), **about}})

    def _headers(self, bucket: Bucket | None, now_ms: int) -> dict[str, str]:
        self._requests_count += 1
        id_ = interaction_id(now_ms, f"{self._requests_count:016d}").removeprefix("int_")
        headers = {"X-Request-Id": id_, "Date": formatdate(now_ms / 1000, usegmt=True)}
        return headers if bucket is None else headers | bucket.headers()

    def _admit(self, sent: Sent) -> FakeAccount:
        """Return the account of the request's key, or raise 401 or 403."""
        key = _KEY.fullmatch(sent.headers.get("authorization", ""))
        if key is None:
            code = "invalid_token" if "authorization" in sent.headers else "authentication_error"
            headers = {"WWW-Authenticate": "Bearer"}
            raise Refusal(code, "The key is missing or wrong.", headers=headers)
        account = self.accounts.get(key[1])
        if account is None:
            account = FakeAccount(key[1], self.limits, sent.now_ms)
            self.accounts[key[1]] = account
        account.quota.move(sent.now_ms)
        if sent.method != "GET" and "read_write" not in self._scopes:
            details = {"required_scope": "read_write"}
            raise Refusal("permission_denied", "The key lacks the scope.", details)
        return account

    def _carry_out(self, sent: Sent, account: FakeAccount, body: Any) -> tuple[int, Any]:
        if _is_peek(sent):
            return 200, _peek(sent, account)
        elements = body[_BATCHES[sent.path]] if _is_batch(sent) else [body]
        price = -(-len(elements) // _ELEMENTS_PER_TOKEN)
        wait_ms = account.bucket.take(price, sent.now_ms)
        if wait_ms:
            _require_quota(sent, account, body, wait_ms)
            raise account.bucket.refusal(price, wait_ms)
        if sent.method == "GET":
            return 200, self._read(sent, account)
        if _is_batch(sent):
            recorded = sent.path == "/v1/interactions/batch"
            store = account.record_batched if recorded else account.complete_batched
            return 200, {"results": [_result(store, each, sent.now_ms) for each in elements]}
        return _write(sent, account, body)

    def _read(self, sent: Sent, account: FakeAccount) -> Item:
        parameters = parse_qs(sent.query, keep_blank_values=True)
        if sent.path == "/v1/interactions":
            return reads.list_turns(account, parameters, sent.now_ms)
        if sent.path == "/v1/interactions/aggregates":
            return reads.aggregate(account, parameters, sent.now_ms)
        if sent.path.startswith("/v1/interactions/"):
            return reads.one_turn(account, sent.path.rpartition("/")[2], sent.now_ms)
        if sent.path == "/v1/usage/turns":
            return reads.use(account, parameters, sent.now_ms)
        if sent.path == "/v1/usage/active-relationships":
            return reads.relationships(account)
        if sent.path == "/v1/me":
            return self._me(account)
        raise Refusal("not_found", "There is no such route.")

    def _me(self, account: FakeAccount) -> Item:
        return {
            "organization": {"id": "org_FakeLedger", "name": "Fake ledger", "plan": "fake"},
            "key_id": "key_FakeLedger",
            "scopes": self._scopes,
            "environment": account.environment,
            "plan": "fake",
        }


def _is_peek(sent: Sent) -> bool:
    return (sent.method, sent.path) == ("GET", "/v1/limits")


def _peek(sent: Sent, account: FakeAccount) -> Item:
    wait_ms = account.peek_bucket.take(1, sent.now_ms)
    if wait_ms:
        raise account.peek_bucket.refusal(1, wait_ms)
    parameters = parse_qs(sent.query, keep_blank_values=True)
    return reads.peek(account, parameters, sent.now_ms)


def _is_batch(sent: Sent) -> bool:
    return sent.method == "POST" and sent.path in _BATCHES


def _write(sent: Sent, account: FakeAccount, body: Any) -> tuple[int, Any]:
    method, path, now_ms = sent.method, sent.path, sent.now_ms
    id_ = path.removeprefix(_TURN_PATH)
    if (method, path) == ("POST", "/v1/turns"):
        item, is_new = account.reserve(body, now_ms)
        return 201 if is_new else 200, item
    if (method, path) == ("POST", "/v1/interactions"):
        stored, is_new = account.record(body, now_ms)
    elif path.startswith(_TURN_PATH) and method == "PUT":
        stored, is_new = account.complete(id_, body, now_ms)
    elif path.startswith(_TURN_PATH) and method == "DELETE":
        account.cancel(id_, now_ms)
        return 204, None
    else:
        raise Refusal("not_found", "There is no such route.")
    return 201 if is_new else 200, stored.item


def _require_quota(sent: Sent, account: FakeAccount, body: Any, wait_ms: int) -> None:
    """Raise the 429 of the quota if it refuses, too: the later wait counts."""
    checks: Mapping[str, Callable[[Any, int], Any]] = {
        "/v1/interactions": account.check_recording,
        "/v1/turns": account.check_reservation,
    }
    if sent.method != "POST" or sent.path not in checks:
        return
    try:
        checks[sent.path](body, sent.now_ms)
    except Refusal as refusal:
        if refusal.code == "quota_exhausted":
            refusal.wait_ms = max(wait_ms, refusal.wait_ms or 0)
            raise


def _result(store: Callable[[Any, int], tuple[Any, bool]], element: Any, now_ms: int) -> Item:
    try:
        stored, is_new = store(element, now_ms)
    except Refusal as refusal:
        return {"status": "rejected", "error": refusal.body()}
    status = "created" if is_new else "duplicate"
    return {"status": status, "interaction_id": stored.item["interaction_id"]}


def _read_body(sent: Sent) -> Any:
    """Return the body, or raise 400, 413 or 415."""
    if sent.method not in {"POST", "PUT"}:
        return None
    if sent.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise Refusal("unsupported_media_type", "The body must be application/json.")
    is_packed = sent.headers.get("content-encoding") == "gzip"
    payload = gzip.decompress(sent.body) if is_packed else sent.body
    most_bytes = _MOST_BATCH_BYTES if sent.path in _BATCHES else _MOST_BYTES
    if len(payload) > most_bytes:
        raise Refusal("payload_too_large", f"The body has more than {most_bytes} bytes.")
    try:
        body = json.loads(payload)
    except ValueError:
        raise invalid([field_error("body", "invalid_json", "must be JSON")]) from None
    if not isinstance(body, dict):
        raise invalid([field_error("body", "invalid_type", "must be an object")])
    if sent.path in _BATCHES:
        _check_batch(body, _BATCHES[sent.path])
    return body


def _check_batch(body: Item, name: str) -> None:
    errors = [
        field_error(other, "unknown", "is not a known field or parameter")
        for other in body.keys() - {name}
    ]
    elements = body.get(name)
    if name not in body:
        errors.append(field_error(name, "required", "is required"))
    elif not isinstance(elements, list):
        errors.append(field_error(name, "invalid_type", "must be a list"))
    elif not 1 <= len(elements) <= _MOST_ELEMENTS:
        allowed = {"min_items": 1, "max_items": _MOST_ELEMENTS}
        message = f"must hold 1 to {_MOST_ELEMENTS} elements"
        errors.append(field_error(name, "wrong_count", message, allowed))
    if errors:
        raise invalid(errors)
