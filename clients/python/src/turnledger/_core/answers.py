"""Read answers of the ledger: values of a success, and the exception of any other answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from .. import errors
from .values import Answer

T = TypeVar("T")
_BY_STATUS: Mapping[int, type[errors.TurnledgerError]] = {
    400: errors.ValidationError,
    401: errors.AuthenticationError,
    402: errors.PaymentRequiredError,
    403: errors.PermissionError,
    404: errors.NotFoundError,
    405: errors.NotFoundError,
    408: errors.ServerError,
    413: errors.ValidationError,
    415: errors.ValidationError,
    429: errors.RateLimitError,
    503: errors.ServiceUnavailableError,
}
_BY_REASON: Mapping[str, type[errors.ConflictError]] = {
    "recorded": errors.TurnAlreadyRecordedError,
    "cancelled": errors.TurnCancelledError,
    "reserved_elsewhere": errors.ReservationMismatchError,
}
_LONGEST_MESSAGE = 300
# A longer Retry-After is none of a ledger.
_LONGEST_WAIT_S = 86_400 * 31
_INTERACTION_ID = re.compile("[A-Za-z0-9_]{1,64}", re.ASCII)


def json_of(answer: Answer) -> Any:
    """Return the body of a success; ServerError if it is not JSON, or if it is no success."""
    if not 200 <= answer.status < 300:
        raise error_of(answer)
    if answer.status == 204:
        return None
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise _foreign(answer, "is not JSON") from None


def turn_of(answer: Answer) -> Mapping[str, Any]:
    """Return the body of a success that names a turn; ServerError for any other answer."""
    body = json_of(answer)
    id_ = body.get("interaction_id") if isinstance(body, Mapping) else None
    if not isinstance(id_, str) or not _INTERACTION_ID.fullmatch(id_):
        raise _foreign(answer, "names no turn")
    return cast("Mapping[str, Any]", body)


def read_as(answer: Answer, read: Callable[[Any], T]) -> T:
    """Return what `read` makes of the body of a success; ServerError if it lacks what is read."""
    body = json_of(answer)
    try:
        return read(body)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise _foreign(answer, "lacks fields") from None


def _foreign(answer: Answer, fault: str) -> errors.ServerError:
    return errors.ServerError(
        f"The answer {answer.status} {fault}: is the address that of a ledger?",
        status=answer.status,
    )


def error_of(answer: Answer, turn_id: str | None = None) -> errors.TurnledgerError:
    """Return the exception of an answer that is no success."""
    envelope = _envelope(answer)
    return exception(
        envelope or {},
        status=answer.status,
        turn_id=turn_id,
        retry_after_s=retry_after_s(answer),
        has_envelope=envelope is not None,
    )


def exception(
    error: Mapping[str, Any],
    *,
    status: int | None,
    turn_id: str | None = None,
    retry_after_s: float | None = None,
    has_envelope: bool = True,
) -> errors.TurnledgerError:
    """Return the exception of an error as an envelope or an element of a batch shows it."""
    code = error.get("code")
    status = status if status is not None else STATUS_OF_CODE.get(str(code), 500)
    message = str(error.get("message") or f"The ledger answered {status}.")[:_LONGEST_MESSAGE]
    kind = _kind(status, error) if has_envelope or status in {408, 413, 429, 503} else None
    return (kind or errors.ServerError)(
        message,
        code=str(code) if code else None,
        status=status,
        request_id=error.get("request_id"),
        details=error.get("details"),
        retry_after_s=retry_after_s,
        turn_id=turn_id,
    )


def retry_after_s(answer: Answer) -> float | None:
    """Return the seconds of `Retry-After`; None if it is absent, or no number of a ledger."""
    text = answer.headers.get("retry-after", "")
    if not text.isascii() or not text.isdigit():
        return None
    seconds = float(text)
    return seconds if seconds <= _LONGEST_WAIT_S else None


def build(kind: type[T], data: Mapping[str, Any]) -> T:
    """Return a value of a dataclass from JSON; fields that it does not have are left out."""
    given = {}
    for name, hint in _fields(cast("Any", kind)).items():
        if name in data:
            given[name] = _value(hint, data[name])
    return kind(**given)


# Elements of a batch have a code and no status.
STATUS_OF_CODE: Mapping[str, int] = {
    "validation_error": 400,
    "not_found": 404,
    "conflict": 409,
    "rate_limit_exceeded": 429,
    "quota_exhausted": 429,
    "internal_error": 500,
    "service_unavailable": 503,
}


def _kind(status: int, error: Mapping[str, Any]) -> type[errors.TurnledgerError] | None:
    if status == 429 and error.get("code") == "quota_exhausted":
        return errors.QuotaExhaustedError
    if status == 409:
        details = error.get("details")
        reason = details.get("reason") if isinstance(details, Mapping) else None
        return _BY_REASON.get(str(reason), errors.ConflictError)
    return _BY_STATUS.get(status, errors.APIError if 400 <= status < 500 else None)


def _envelope(answer: Answer) -> Mapping[str, Any] | None:
    try:
        error = json.loads(answer.body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return error if isinstance(error, Mapping) else None


@cache
def _fields(kind: type[Any]) -> Mapping[str, Any]:
    from .. import models, types

    return get_type_hints(kind, {**vars(types), **vars(models)})


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    for choice in (hint, *get_args(hint)):
        if hasattr(choice, "__dataclass_fields__") and isinstance(value, Mapping):
            return build(choice, value)
        if get_origin(choice) is tuple and isinstance(value, list):
            return tuple(_value(get_args(choice)[0], each) for each in value)
    return value
