"""Errors of a request that this room finds, whatever the request's subject.

Plain exceptions with typed fields. Their text is a sentence of our own: it never holds the text of
another exception. `app.error_answers` maps each to its answer.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any, TypedDict

MOST_FIELD_NAMES = 10
# Errors of parameters and fields that may have any name.
_OF_CHOSEN_NAMES = frozenset({"unknown", "repeated", "empty"})


class FieldError(TypedDict):
    """Which field is wrong, a stable code, a sentence, and the values that are allowed."""

    field: str
    code: str
    message: str
    allowed: Any


class RequestError(Exception):
    """The request cannot be read or is not valid."""


class InvalidFields(RequestError):
    """Fields of the request are wrong; `field_errors` lists them, and there is at least one."""

    def __init__(self, field_errors: Sequence[FieldError]) -> None:
        super().__init__(" ".join(each["message"] for each in field_errors))
        self.field_errors = list(field_errors)


class UnsupportedMediaType(RequestError):
    """The route does not take the body's media type; the message says which it takes."""

    def __init__(
        self, message: str = "Send the body as JSON, with Content-Type application/json."
    ) -> None:
        super().__init__(message)


class UnsupportedContentEncoding(RequestError):
    """The body has another content encoding than those in `accepted`."""

    accepted = ("gzip", "identity")

    def __init__(self) -> None:
        super().__init__("Send the body as it is, or with Content-Encoding gzip.")


class BodyTooLarge(RequestError):
    """The body as sent has more than `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"The body may have at most {max_bytes} bytes; send less at a time.")
        self.max_bytes = max_bytes


class DecodedBodyTooLarge(RequestError):
    """The decoded body has more than `max_bytes`, or than `max_ratio` times its size as sent."""

    def __init__(self, max_bytes: int, max_ratio: int) -> None:
        super().__init__(
            f"The decoded body may have at most {max_bytes} bytes and {max_ratio} times its size "
            "as sent; send less at a time."
        )
        self.max_bytes = max_bytes
        self.max_ratio = max_ratio


class BodyTimeout(RequestError):
    """The body did not arrive before its deadline."""

    def __init__(self) -> None:
        super().__init__("The body did not arrive in time. Send it again.")


class BodyMemoryExhausted(RequestError):
    """The bodies of other requests take all memory that bodies may take."""

    def __init__(self) -> None:
        super().__init__("The service holds too many long bodies just now. Retry after 1 second.")


class CursorRefused(RequestError):
    """The cursor of a list cannot be used; `reason` is a sentence that says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} Start again without a cursor.")
        self.reason = reason


def field_error(field: str, code: str, message: str, allowed: Any = None) -> FieldError:
    """Return one field error; `allowed` describes the values that would be accepted."""
    return {"field": field, "code": code, "message": message, "allowed": allowed}


def field_names(field_errors: Sequence[FieldError]) -> tuple[str, ...]:
    """Return the names of wrong fields for the log: names of the API, and none of a client's own.

    A name that the client chose is replaced by the code of its error in brackets, and a position in
    a list by `*`. At most `MOST_FIELD_NAMES` different ones are returned.
    """
    names = dict.fromkeys(
        f"({each['code']})"
        if each["code"] in _OF_CHOSEN_NAMES
        else _without_positions(each["field"])
        for each in field_errors
    )
    return tuple(islice(names, MOST_FIELD_NAMES))


def _without_positions(path: str) -> str:
    return ".".join("*" if part.isdigit() else part for part in path.split("."))


def require_valid(field_errors: Sequence[FieldError]) -> None:
    """Raise InvalidFields if there are any field errors."""
    if field_errors:
        raise InvalidFields(field_errors)
