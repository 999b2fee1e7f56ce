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
        400,
        "validation",
        "The cursor is damaged, expired, or was made for other filters or another account; begin "
        "the listing again without it.",
    ),
    "authentication_error": Kind(401, "authentication", "No credential, or a revoked one."),
    "invalid_token": Kind(401, "authentication", "The credential is not one of ours."),
    "token_expired": Kind(401, "authentication", "The key's time is over; make a new one."),
    "payment_required": Kind(402, "billing", "The organization is suspended."),
    "permission_denied": Kind(403, "permission", "The key is good, but lacks the scope."),
    "not_found": Kind(404, "not_found", "No such route or object, or it is not yours."),
    "method_not_allowed": Kind(405, "request", "The route exists, the method does not."),
    "request_timeout": Kind(408, "request", "The body took too long to arrive; send it again."),
    "conflict": Kind(
        409,
        "conflict",
        "The request contradicts what is there: the turn is recorded already (with other content, "
        "or it was to be reserved or cancelled), is reserved with another relationship, or was "
        "cancelled minutes ago; or the API-key limit is reached, or the Idempotency-Key was used.",
    ),
    "payload_too_large": Kind(413, "request", "The body is over the route's limit."),
    "unsupported_media_type": Kind(
        415, "request", "The body must be application/json, as it is or in gzip."
    ),
    "rate_limit_exceeded": Kind(
        429,
        "rate_limit",
        "Too many requests; wait Retry-After seconds and try again. A batch costs one token for "
        "every 50 turns begun; details.tokens is its price, if more than one. If "
        "details.component is reservations, too many reservations are open. If it is concurrency, "
        "too many requests of your organization are in progress: send fewer at the same time. "
        "Retry-After is always 1 then, as advice: a later request may be refused again.",
    ),
    "quota_exhausted": Kind(
        429,
        "quota",
        "The period's quota of details.component is spent, or held by open reservations; "
        "uncharged_turns are turns that cost nothing. Wait Retry-After seconds: until the quota "
        "resets (details.resets_at), or until enough reservations have expired "
        "(details.held_until, null if that does not help).",
    ),
    "internal_error": Kind(500, "internal", "Our fault; the request id finds it in the log."),
    "service_unavailable": Kind(
        503,
        "unavailable",
        "A store cannot be reached: try again. If the message says that the stored data of your "
        "organization cannot be used, ask the operator: trying again does not help until then.",
    ),
}
TYPES = tuple(dict.fromkeys(kind.type for kind in CODES.values()))


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
