"""Map each error of a room to its answer: code, details, wait and headers.

The only place that knows both. Rooms raise errors of their subject and know no HTTP;
`app.http.errors` renders answers and knows no subject. An error without an entry here is an outage
or a fault of ours, and its text never reaches a client.
"""

from functools import singledispatch

from app.http.faults import AccountFault
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
)
from app.interactions.errors import (
    TurnBeingRecorded,
    TurnCancelled,
    TurnConflict,
    TurnNotFound,
    TurnNotStored,
)
from app.tenancy.errors import (
    AuthenticationFailed,
    IdempotencyConflict,
    KeyExpired,
    KeyLimitReached,
    KeyUnknown,
    NotFound,
    OrganizationSuspended,
    ScopeMissing,
)
from app.usage.errors import ArchiveMovedOn

# An operator must act first; then a change is in force within 5 s.
ACCOUNT_FAULT_RETRY_S = 60


@singledispatch
def find_problem(error: Exception) -> Problem | None:
    """Return the answer to an error of a room; None for any other error."""
    return None


@find_problem.register
def _raised(problem: Problem) -> Problem:
    """Return `problem`: rooms that are not moved yet raise it. Goes with its base class."""
    return problem


@find_problem.register
def _invalid_fields(error: InvalidFields) -> Problem:
    first, *others = error.field_errors
    more = f" ({len(others)} more in details)" if others else ""
    return Problem("validation_error", f"{first['message']}{more}", details=error.field_errors)


@find_problem.register
def _cursor_refused(error: CursorRefused) -> Problem:
    details = [{"field": "cursor", "code": "invalid", "message": error.reason}]
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
def _not_found(error: NotFound | TurnNotFound) -> Problem:
    return Problem("not_found", str(error))


@find_problem.register
def _key_limit_reached(error: KeyLimitReached) -> Problem:
    return Problem("conflict", str(error), details={"limit": error.limit})


@find_problem.register
def _conflict(error: IdempotencyConflict | TurnConflict | TurnCancelled) -> Problem:
    return Problem("conflict", str(error))


@find_problem.register
def _not_stored(error: TurnNotStored) -> Problem:
    return Problem("internal_error", str(error))


@find_problem.register
def _retry_soon(error: BodyMemoryExhausted | TurnBeingRecorded) -> Problem:
    return Problem("service_unavailable", str(error), retry_after_s=1)


@find_problem.register
def _unavailable(_: ArchiveMovedOn) -> Problem:
    return Problem.unavailable()


@find_problem.register
def _account_fault(_: AccountFault) -> Problem:
    """Hide the reason, which is for operators: the log and commands show it."""
    return Problem(
        "service_unavailable",
        "The service cannot use the stored data of your organization. Ask the operator of the "
        "service: the request id finds the reason in its log.",
        retry_after_s=ACCOUNT_FAULT_RETRY_S,
    )
