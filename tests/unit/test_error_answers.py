"""The answer to each error of a room: code, status, details, wait and headers."""

import inspect
from fractions import Fraction
from typing import Any

import pytest

import app.console.error_answers  # noqa: F401 (registers the answers of the console)
from app.admission import errors as admission_errors
from app.admission.errors import (
    ConcurrencyExceeded,
    CountersUnavailable,
    QuotaExhausted,
    RateLimited,
    SeedingTimeout,
    TooManyReservations,
)
from app.audit import errors as audit_errors
from app.audit.errors import AuditNotWritten
from app.console import errors as console_errors
from app.console.errors import ConsoleBusy, ConsoleOff, FormExpired, PageUnknown, SessionMissing
from app.error_answers import find_problem
from app.http import request_errors
from app.http.faults import AccountFault
from app.http.problems import CONFLICT_REASONS, Problem
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
from app.interactions import errors as interaction_errors
from app.interactions.errors import (
    TurnBeingRecorded,
    TurnCancelled,
    TurnConflict,
    TurnNotFound,
    TurnNotStored,
)
from app.reservations import errors as reservation_errors
from app.reservations.errors import (
    ReservationConflict,
    ReservationNotFound,
    TurnRecorded,
)
from app.tenancy import errors as tenancy_errors
from app.tenancy.errors import (
    CredentialMissing,
    IdempotencyConflict,
    KeyCollision,
    KeyExpired,
    KeyLimitReached,
    KeyNotFound,
    KeyRevoked,
    KeyUnknown,
    OperatorTokenMissing,
    OrganizationNotFound,
    OrganizationSuspended,
    ScopeMissing,
)
from app.tenancy.model import Environment, Scope
from app.usage import errors as usage_errors
from app.usage.errors import ArchiveMovedOn, RangeNotAnswerable

BEARER = {"WWW-Authenticate": "Bearer"}
# Only commands raise these.
WITHOUT_ANSWER = {
    interaction_errors.ImportRefused,
    tenancy_errors.AmbiguousHint,
    tenancy_errors.AmbiguousName,
    tenancy_errors.ChangedMeanwhile,
    tenancy_errors.KeyChangedMeanwhile,
    tenancy_errors.KeyNotReplaceable,
    tenancy_errors.KeyTextIncomplete,
    tenancy_errors.UndecidedLimits,
    usage_errors.DayTooOld,
}
BASES = {
    request_errors.RequestError,
    tenancy_errors.TenancyError,
    interaction_errors.InteractionError,
    admission_errors.AdmissionError,
    reservation_errors.ReservationError,
}
EXHAUSTED = QuotaExhausted(
    "active_relationships",
    used=25,
    limit=25,
    resets_at_us=2_000_000,
    held_until_us=1_000_000,
    wait_us=1,
)
SPENT = QuotaExhausted(
    "turns", used=9, limit=9, resets_at_us=2_000_000, held_until_us=None, wait_us=1_500_000
)

WRONG = field_error("limit", "out_of_range", "`limit` must be between 1 and 100.")
ANSWERS: list[tuple[Exception, str, int]] = [
    (InvalidFields([WRONG]), "validation_error", 400),
    (RangeNotAnswerable("to", "must be later", {"after": "now"}), "validation_error", 400),
    (CursorRefused("The cursor is older than 24 hours."), "invalid_cursor", 400),
    (CredentialMissing(), "authentication_error", 401),
    (KeyRevoked(), "authentication_error", 401),
    (OperatorTokenMissing(), "authentication_error", 401),
    (SessionMissing(), "authentication_error", 401),
    (FormExpired(), "permission_denied", 403),
    (ConsoleBusy(), "rate_limit_exceeded", 429),
    (ConsoleOff(), "not_found", 404),
    (PageUnknown(), "not_found", 404),
    (KeyUnknown(), "invalid_token", 401),
    (KeyExpired(), "token_expired", 401),
    (OrganizationSuspended(), "payment_required", 402),
    (ScopeMissing(Scope.READ_WRITE), "permission_denied", 403),
    (KeyNotFound(), "not_found", 404),
    (OrganizationNotFound("org_1"), "not_found", 404),
    (TurnNotFound(), "not_found", 404),
    (BodyTimeout(), "request_timeout", 408),
    (IdempotencyConflict("other_request", "was used with another body"), "conflict", 409),
    (KeyCollision(), "conflict", 409),
    (KeyLimitReached(100, Environment.LIVE), "conflict", 409),
    (TurnConflict(), "conflict", 409),
    (TurnCancelled(), "conflict", 409),
    (BodyTooLarge(10), "payload_too_large", 413),
    (DecodedBodyTooLarge(10, 100), "payload_too_large", 413),
    (UnsupportedMediaType(), "unsupported_media_type", 415),
    (UnsupportedContentEncoding(), "unsupported_media_type", 415),
    (TurnRecorded(), "conflict", 409),
    (ReservationConflict(), "conflict", 409),
    (ReservationNotFound(), "not_found", 404),
    (RateLimited(Fraction(5), 200_000), "rate_limit_exceeded", 429),
    (TooManyReservations(150, 9_000_000), "rate_limit_exceeded", 429),
    (ConcurrencyExceeded(4, is_heavy=False), "rate_limit_exceeded", 429),
    (EXHAUSTED, "quota_exhausted", 429),
    (CountersUnavailable(), "service_unavailable", 503),
    (SeedingTimeout(), "service_unavailable", 503),
    (TurnNotStored(), "internal_error", 500),
    (AccountFault("org_1", "A field is damaged."), "service_unavailable", 503),
    (AuditNotWritten(), "service_unavailable", 503),
    (ArchiveMovedOn(), "service_unavailable", 503),
    (BodyMemoryExhausted(), "service_unavailable", 503),
    (TurnBeingRecorded(), "service_unavailable", 503),
]


def answer(error: Exception) -> Problem:
    problem = find_problem(error)
    assert problem is not None
    return problem


@pytest.mark.parametrize(
    ("error", "code", "status"), ANSWERS, ids=[type(each[0]).__name__ for each in ANSWERS]
)
def test_each_error_has_its_code_and_status(error: Exception, code: str, status: int) -> None:
    problem = answer(error)
    assert (problem.code, problem.kind.status) == (code, status)
    assert problem.message.endswith(".")


def test_each_conflict_has_a_reason_of_its_own() -> None:
    conflicts = [error for error, code, _ in ANSWERS if code == "conflict"]
    reasons = [answer(error).details["reason"] for error in conflicts]
    of_idempotency_keys = ["key_revoked", "idempotency_key_expired"]  # in tests of making keys
    assert sorted(reasons + of_idempotency_keys) == sorted(CONFLICT_REASONS)


def test_each_error_of_a_room_has_an_answer() -> None:
    declared = {
        kind
        for module in (
            request_errors,
            audit_errors,
            console_errors,
            tenancy_errors,
            interaction_errors,
            usage_errors,
            admission_errors,
            reservation_errors,
        )
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == module.__name__
    }
    tested = {type(error) for error, _, _ in ANSWERS}
    parents = {parent for kind in tested for parent in kind.__mro__[1:]}
    assert declared - parents - BASES == (tested | WITHOUT_ANSWER) - parents - {AccountFault}


@pytest.mark.parametrize("error", [RuntimeError("canary"), KeyError("canary"), OSError("canary")])
def test_another_error_has_no_answer(error: Exception) -> None:
    assert find_problem(error) is None


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (CredentialMissing(), BEARER),
        (KeyRevoked(), BEARER),
        (OperatorTokenMissing(), BEARER),
        (KeyUnknown(), BEARER),
        (KeyExpired(), {"WWW-Authenticate": 'Bearer error="token_expired"'}),
        (UnsupportedContentEncoding(), {"Accept-Encoding": "gzip, identity"}),
        (SessionMissing(), {"WWW-Authenticate": "Cookie"}),
        (ScopeMissing(Scope.READ), {}),
        (KeyNotFound(), {}),
    ],
    ids=lambda each: type(each).__name__,
)
def test_the_headers_of_an_answer(error: Exception, headers: dict[str, str]) -> None:
    assert answer(error).headers == headers


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [
        (AccountFault("org_1", "A field is damaged."), 60),
        (ArchiveMovedOn(), 1),
        (BodyMemoryExhausted(), 1),
        (TurnBeingRecorded(), 1),
        (BodyTimeout(), None),
        (CountersUnavailable(), 1),
        (SeedingTimeout(), 1),
        (RateLimited(Fraction(5), 1), 1),
        (RateLimited(Fraction(5), 1_000_001), 2),
        (TooManyReservations(150, 9_000_000), 9),
        (ConcurrencyExceeded(4, is_heavy=True), 1),
        (SPENT, 2),
    ],
    ids=lambda each: type(each).__name__,
)
def test_the_wait_of_an_answer(error: Exception, wait_s: int | None) -> None:
    assert answer(error).retry_after_s == wait_s


@pytest.mark.parametrize(
    ("error", "details"),
    [
        (InvalidFields([WRONG]), [WRONG]),
        (ScopeMissing(Scope.READ_WRITE), {"required_scope": "read_write"}),
        (
            KeyLimitReached(100, Environment.LIVE),
            {"reason": "key_limit_reached", "limit": 100},
        ),
        (BodyTooLarge(10), {"max_bytes": 10}),
        (DecodedBodyTooLarge(10, 100), {"max_bytes": 10, "max_ratio": 100}),
        (UnsupportedContentEncoding(), {"accepted_encodings": ["gzip", "identity"]}),
        (KeyUnknown(), None),
        (RateLimited(Fraction(5), 200_001), {"limit": 5, "retry_after_ms": 201}),
        (RateLimited(Fraction(1, 2), 0), {"limit": 0.5, "retry_after_ms": 0}),
        (
            RateLimited(Fraction(5), 2_000_000, 10),
            {"limit": 5, "tokens": 10, "retry_after_ms": 2_000},
        ),
        (
            TooManyReservations(150, 9_000_000),
            {"component": "reservations", "limit": 150, "retry_after_ms": 9_000},
        ),
        (
            ConcurrencyExceeded(4, is_heavy=False),
            {"component": "concurrency", "limit": 4, "retry_after_ms": 1_000},
        ),
        (
            EXHAUSTED,
            {
                "component": "active_relationships",
                "used": 25,
                "limit": 25,
                "resets_at": "1970-01-01T00:00:02.000Z",
                "held_until": "1970-01-01T00:00:01.000Z",
                "retry_after_ms": 1,
            },
        ),
        (
            CursorRefused("The cursor is older than 24 hours."),
            [field_error("cursor", "invalid", "The cursor is older than 24 hours.")],
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_the_details_of_an_answer(error: Exception, details: Any) -> None:
    assert answer(error).details == details


def test_the_reason_of_an_account_fault_is_not_for_clients() -> None:
    assert "damaged" not in answer(AccountFault("org_1", "A field is damaged.")).message


def test_the_message_counts_the_field_errors_that_only_details_list() -> None:
    message = answer(InvalidFields([WRONG, WRONG, WRONG])).message
    assert message == "`limit` must be between 1 and 100. (2 more in details)"
