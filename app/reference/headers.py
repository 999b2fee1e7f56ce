"""Describe the headers of answers, and say which answers have them."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.http.instants import UTC_INSTANT_PATTERN
from app.http.rules import ULID_PATTERN
from app.policies import Door, Policy

Json = dict[str, Any]

_COUNT: Json = {"type": "integer", "minimum": 0}
_INSTANT: Json = {"type": "string", "format": "date-time", "pattern": UTC_INSTANT_PATTERN}
_UNLIMITED = "Left out if unlimited, and while Redis is unavailable."
_UNKNOWN = "Left out while Redis is unavailable."
REQUEST_ID = "X-Request-Id"
RATE = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
QUOTA = (
    *("X-Quota-Turns-Used", "X-Quota-Turns-Limit"),
    *("X-Quota-Active-Relationships-Used", "X-Quota-Active-Relationships-Limit"),
    "X-Quota-Reset",
)


def _header(description: str, schema: Json, *, is_always_sent: bool = False) -> Json:
    always = {"required": True} if is_always_sent else {}
    return {"description": description, **always, "schema": schema}


HEADERS: Mapping[str, Json] = {
    REQUEST_ID: _header(
        "The id of this request, a ULID. Quote it when you ask for help: the log has it too.",
        {"type": "string", "pattern": f"^{ULID_PATTERN}$"},
        is_always_sent=True,
    ),
    "X-RateLimit-Limit": _header(
        "Tokens per second at which the bucket refills.",
        {"type": "number", "exclusiveMinimum": 0},
        is_always_sent=True,
    ),
    "X-RateLimit-Remaining": _header(
        "Whole tokens left after this request.", _COUNT, is_always_sent=True
    ),
    "X-RateLimit-Reset": _header(
        "When the bucket will be full again.", _INSTANT, is_always_sent=True
    ),
    "X-Quota-Turns-Used": _header(
        f"Turns of the billing period, reserved ones included. {_UNKNOWN}", _COUNT
    ),
    "X-Quota-Turns-Limit": _header(f"Turns that the period allows. {_UNLIMITED}", _COUNT),
    "X-Quota-Active-Relationships-Used": _header(
        f"Relationships with a charged turn in the billing period. {_UNKNOWN}", _COUNT
    ),
    "X-Quota-Active-Relationships-Limit": _header(
        f"Relationships that the period allows. {_UNLIMITED}", _COUNT
    ),
    "X-Quota-Reset": _header(f"When the billing period ends. {_UNKNOWN}", _INSTANT),
    "Retry-After": _header(
        "Seconds to wait before a retry, rounded up.",
        {"type": "integer", "minimum": 1},
        is_always_sent=True,
    ),
    "WWW-Authenticate": _header(
        'The scheme of the credential: `Bearer`, with `error="token_expired"` for an expired key.',
        {"type": "string"},
        is_always_sent=True,
    ),
    "ETag": _header(
        "The weak tag of the answer. Send it in `If-None-Match`: 304 if the answer is the same. A "
        "page after the first has none.",
        {"type": "string", "pattern": '^W/"[0-9a-f]{32}"$'},
    ),
    "Accept-Encoding": _header(
        "The encodings of a body that are accepted, if the body had another one.",
        {"type": "string"},
    ),
}


def headers_of(policy: Policy, status: int, *, has_tag: bool = False) -> Json:
    """Return references to the headers of an answer with this status."""
    names = [*_names(policy, status), *(["ETag"] if has_tag else [])]
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def shows_rate(policy: Policy, status: int) -> bool:
    """Return True if the request of such an answer was charged to a bucket."""
    if policy.door is Door.OPERATOR:
        return status in {401, 429}
    return policy.door is not Door.PROBE and status < 500


def shows_quota(policy: Policy, status: int) -> bool:
    """Return True if such an answer can have quota headers."""
    is_conflict = status == 409 and policy.door is Door.RECORDING
    return policy.door.asks_for_key and (is_conflict or policy.shows_quota_in(status))


def _names(policy: Policy, status: int) -> Iterator[str]:
    yield REQUEST_ID
    if shows_rate(policy, status):
        yield from RATE
    if shows_quota(policy, status):
        yield from QUOTA
    if status == 401:
        yield "WWW-Authenticate"
    if status == 415:
        yield "Accept-Encoding"
    if status == 429 or (status == 503 and policy.door is not Door.PROBE):
        yield "Retry-After"
