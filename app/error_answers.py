"""Map each error of a room to its answer: code, details, wait and headers.

The only module that knows both, beside `app.console.error_answers` for the room above this floor.
Rooms raise errors of their subject and know no HTTP; `app.http.errors` renders answers and knows no
subject. An error without an entry is an outage or a bug, and its text never reaches a client.
"""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from app.admission.errors import (
    ConcurrencyExceeded,
    CountersUnavailable,
    QuotaExhausted,
    RateLimited,
    TooManyReservations,
    whole_seconds,
)
from app.audit.errors import AuditNotWritten
from app.http.faults import AccountFault
from app.http.instants import format_us
from app.http.problems import Problem
from app.http.request_errors import (
    BodyMemoryExhausted,
    BodyTimeout,
    BodyTooLarge,
    CursorRefused,
    DecodedBodyTooLarge,
    InvalidFields,
    UnsupportedContentEncoding,
    UnsupportedMediaType,
    field_error,
)
from app.interactions.errors import (
    TurnBeingRecorded,
    TurnCancelled,
    TurnConflict,
    TurnNotFound,
    TurnNotStored,
)
from app.reservations.errors import ReservationConflict, ReservationNotFound, TurnRecorded
from app.tenancy.errors import (
    AuthenticationFailed,
    IdempotencyConflict,
    KeyCollision,
    KeyExpired,
    KeyLimitReached,
    KeyUnknown,
    NotFound,
    OrganizationSuspended,
    ScopeMissing,
)
from app.usage.errors import ArchiveMovedOn

# The fault lasts until an operator fixes it; the fix takes effect within 5 s.
ACCOUNT_FAULT_RETRY_S = 60
# An estimate: nobody knows when another request of the organization will end.
CONCURRENCY_WAIT_US = 1_000_000
# `details.reason` of a 409; `CONFLICT_REASONS` explains each to clients.
_CONFLICTS: Mapping[type[Exception], str] = {
    KeyCollision: "concurrent_request",
    ReservationConflict: "reserved_elsewhere",
    TurnCancelled: "cancelled",
    TurnConflict: "other_content",
    TurnRecorded: "recorded",
}


@singledispatch
def find_problem(error: Exception) -> Problem | None:
    """Return the answer to an error of a room; None for any other error."""
    return None


@find_problem.register
def _invalid_fields(error: InvalidFields) -> Problem:
    first, *others = error.field_errors
    more = f" ({len(others)} more in details)" if others else ""
    return Problem("validation_error", f"{first['message']}{more}", details=error.field_errors)


@find_problem.register
def _cursor_refused(error: CursorRefused) -> Problem:
    details = [field_error("cursor", "invalid", error.reason)]
    return Problem("invalid_cursor", str(error), details=details)


@find_problem.register
def _unsupported_media_type(error: UnsupportedMediaType) -> Problem:
    return Problem("unsupported_media_type", str(error))


@find_problem.register
def _unsupported_content_encoding(error: UnsupportedContentEncoding) -> Problem:
    return Problem(
        "unsupported_media_type",
        str(error),
        details={"accepted_encodings": list(error.accepted)},
        headers={"Accept-Encoding": ", ".join(error.accepted)},
    )


@find_problem.register
def _body_too_large(error: BodyTooLarge) -> Problem:
    return Problem("payload_too_large", str(error), details={"max_bytes": error.max_bytes})


@find_problem.register
def _decoded_body_too_large(error: DecodedBodyTooLarge) -> Problem:
    details = {"max_bytes": error.max_bytes, "max_ratio": error.max_ratio}
    return Problem("payload_too_large", str(error), details=details)


@find_problem.register
def _body_timeout(error: BodyTimeout) -> Problem:
    return Problem("request_timeout", str(error))


@find_problem.register
def _authentication_failed(error: AuthenticationFailed) -> Problem:
    return Problem("authentication_error", str(error), headers={"WWW-Authenticate": "Bearer"})


@find_problem.register
def _key_unknown(error: KeyUnknown) -> Problem:
    return Problem("invalid_token", str(error), headers={"WWW-Authenticate": "Bearer"})


@find_problem.register
def _key_expired(error: KeyExpired) -> Problem:
    # The wire contract asks for this value; RFC 6750 would have `invalid_token`.
    challenge = 'Bearer error="token_expired"'
    return Problem("token_expired", str(error), headers={"WWW-Authenticate": challenge})


@find_problem.register
def _organization_suspended(error: OrganizationSuspended) -> Problem:
    return Problem("payment_required", str(error))


@find_problem.register
def _scope_missing(error: ScopeMissing) -> Problem:
    details = {"required_scope": error.required.value}
    return Problem("permission_denied", str(error), details=details)


@find_problem.register
def _not_found(error: NotFound | TurnNotFound | ReservationNotFound) -> Problem:
    return Problem("not_found", str(error))


@find_problem.register
def _key_limit_reached(error: KeyLimitReached) -> Problem:
    return _conflict("key_limit_reached", error, limit=error.limit)


@find_problem.register
def _idempotency_conflict(error: IdempotencyConflict) -> Problem:
    return _conflict(error.label, error)


@find_problem.register
def _contradiction(
    error: KeyCollision | TurnConflict | TurnCancelled | TurnRecorded | ReservationConflict,
) -> Problem:
    return _conflict(_CONFLICTS[type(error)], error)


@find_problem.register
def _rate_limited(error: RateLimited) -> Problem:
    rate = error.rate
    limit = rate.numerator if rate.denominator == 1 else float(rate)
    price = {"tokens": error.tokens} if error.tokens > 1 else {}
    return _wait("rate_limit_exceeded", error, error.wait_us, limit=limit, **price)


@find_problem.register
def _too_many_reservations(error: TooManyReservations) -> Problem:
    return _wait(
        "rate_limit_exceeded", error, error.wait_us, component="reservations", limit=error.limit
    )


@find_problem.register
def _concurrency_exceeded(error: ConcurrencyExceeded) -> Problem:
    return _wait(
        "rate_limit_exceeded",
        error,
        CONCURRENCY_WAIT_US,
        component="concurrency",
        limit=error.limit,
    )


@find_problem.register
def _quota_exhausted(error: QuotaExhausted) -> Problem:
    held_until_us = error.held_until_us
    return _wait(
        "quota_exhausted",
        error,
        error.wait_us,
        component=error.component,
        used=error.used,
        limit=error.limit,
        resets_at=format_us(error.resets_at_us),
        held_until=None if held_until_us is None else format_us(held_until_us),
    )


@find_problem.register
def _not_stored(error: TurnNotStored) -> Problem:
    return Problem("internal_error", str(error))


@find_problem.register
def _retry_soon(error: BodyMemoryExhausted | TurnBeingRecorded) -> Problem:
    return Problem("service_unavailable", str(error), retry_after_s=1)


@find_problem.register
def _unavailable(_: ArchiveMovedOn | AuditNotWritten | CountersUnavailable) -> Problem:
    return Problem.unavailable()


@find_problem.register
def _account_fault(_: AccountFault) -> Problem:
    """Hide the reason from clients; the log and commands show it to operators."""
    return Problem(
        "service_unavailable",
        "The service cannot use the stored data of your organization. Ask the operator of the "
        "service: the request id finds the reason in its log.",
        retry_after_s=ACCOUNT_FAULT_RETRY_S,
    )


def _conflict(reason: str, error: Exception, **details: Any) -> Problem:
    """Return a 409 whose `details.reason` is one of `CONFLICT_REASONS`."""
    return Problem("conflict", str(error), details={"reason": reason, **details})


def _wait(code: str, error: Exception, wait_us: int, **details: Any) -> Problem:
    """Return the answer to an error that asks the client to retry after `wait_us`."""
    details["retry_after_ms"] = -(-wait_us // 1_000)
    return Problem(code, str(error), details=details, retry_after_s=whole_seconds(wait_us))
