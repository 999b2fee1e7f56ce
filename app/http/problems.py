"""Answers other than success, as plain values; `errors.py` renders them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """The status and the `type` of an error code, and its meaning for people."""

    status: int
    type: str
    meaning: str


CODES: Mapping[str, Kind] = {
    "validation_error": Kind(
        400, "validation", "A parameter or a field of the body is wrong; details names each."
    ),
    "invalid_cursor": Kind(
        400, "validation", "The cursor is damaged, expired, or of other filters or another account."
    ),
    "authentication_error": Kind(401, "authentication", "No credential, or a revoked one."),
    "invalid_token": Kind(401, "authentication", "The credential is not a key of this server."),
    "token_expired": Kind(401, "authentication", "The key has expired."),
    "payment_required": Kind(402, "billing", "The organization is suspended."),
    "permission_denied": Kind(403, "permission", "The key is valid, but lacks the scope."),
    "not_found": Kind(404, "not_found", "No such route or object, or it is not yours."),
    "method_not_allowed": Kind(405, "request", "The route exists, the method does not."),
    "request_timeout": Kind(408, "request", "The body took too long to arrive; send it again."),
    "conflict": Kind(409, "conflict", "The request contradicts what is stored."),
    "payload_too_large": Kind(413, "request", "The body is over the route's limit."),
    "unsupported_media_type": Kind(
        415, "request", "The body must be application/json, as it is or in gzip."
    ),
    "rate_limit_exceeded": Kind(
        429, "rate_limit", "Too many requests: wait Retry-After seconds, then retry."
    ),
    "quota_exhausted": Kind(
        429, "quota", "The quota is spent or held; do not retry before Retry-After."
    ),
    "internal_error": Kind(500, "internal", "Our fault; the request id finds it in the log."),
    "service_unavailable": Kind(503, "unavailable", "A store cannot be reached: retry."),
}
# `details.reason` of every 409, and its meaning for people.
CONFLICT_REASONS: Mapping[str, str] = {
    "recorded": "the turn is recorded already: nothing is left to reserve or cancel",
    "other_content": "the `turn_id` is recorded with other content or at another instant",
    "cancelled": "the reservation of the `turn_id` was cancelled minutes ago",
    "reserved_elsewhere": "the `turn_id` is reserved with another `relationship_id`",
    "key_limit_reached": "the account holds as many active keys as it may; `limit` is set",
    "other_request": "the `Idempotency-Key` was used with another body",
    "key_revoked": "the `Idempotency-Key` made a key that is revoked",
    "idempotency_key_expired": "the `Idempotency-Key` was used more than 24 hours ago",
    "concurrent_request": "another request is making the same key just now: repeat the request",
}
TYPES = tuple(dict.fromkeys(kind.type for kind in CODES.values()))


def is_error(status: int) -> bool:
    """Return True if an answer with this status refuses its request."""
    return status >= 400


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer other than success.

    `message` is one sentence for the client and never holds exception text; `retry_after_s` is
    in whole seconds.
    """

    code: str
    message: str
    details: Any = None
    retry_after_s: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """The status and the type of this problem's code."""
        return CODES[self.code]

    def body(self) -> dict[str, Any]:
        """Return the part of the error envelope that does not depend on the request."""
        return {
            "code": self.code,
            "message": self.message,
            "type": self.kind.type,
            "details": self.details,
        }

    @classmethod
    def unavailable(cls) -> "Problem":
        """Return the answer while a store that the request needs is unavailable."""
        return cls(
            "service_unavailable",
            "The service cannot reach its store just now. Retry after 1 second.",
            retry_after_s=1,
        )
