"""Errors, instants and ids of the wire."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

# The status and the type of each error code.
CODES: Mapping[str, tuple[int, str]] = {
    "validation_error": (400, "validation"),
    "invalid_cursor": (400, "validation"),
    "authentication_error": (401, "authentication"),
    "invalid_token": (401, "authentication"),
    "token_expired": (401, "authentication"),
    "payment_required": (402, "billing"),
    "permission_denied": (403, "permission"),
    "not_found": (404, "not_found"),
    "method_not_allowed": (405, "request"),
    "request_timeout": (408, "request"),
    "conflict": (409, "conflict"),
    "payload_too_large": (413, "request"),
    "unsupported_media_type": (415, "request"),
    "rate_limit_exceeded": (429, "rate_limit"),
    "quota_exhausted": (429, "quota"),
    "internal_error": (500, "internal"),
    "service_unavailable": (503, "unavailable"),
}
CODE_OF_STATUS = {
    status: code
    for code, (status, _) in CODES.items()
    if code not in {"invalid_cursor", "invalid_token", "token_expired", "quota_exhausted"}
}
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID = re.compile(r"int_([0-7][0-9A-HJKMNP-TV-Z]{25})")
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Refusal(Exception):
    """Refuse a request, or an element of a batch."""

    def __init__(
        self,
        code: str,
        message: str,
        details: Any = None,
        *,
        wait_ms: int | None = None,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.wait_ms = wait_ms
        self.headers = dict(headers or {})
        self.status = status or CODES[code][0]

    def body(self) -> dict[str, Any]:
        """Return the error as an element of a batch shows it."""
        return {
            "code": self.code,
            "message": self.message,
            "type": CODES[self.code][1],
            "details": self.details,
        }


def conflict(reason: str, message: str) -> Refusal:
    """Return a 409 with its reason."""
    return Refusal("conflict", message, {"reason": reason})


def invalid(errors: Sequence[Mapping[str, Any]]) -> Refusal:
    """Return a 400 that lists each field error."""
    more = f" ({len(errors) - 1} more in details)" if len(errors) > 1 else ""
    return Refusal("validation_error", errors[0]["message"] + more, list(errors))


def field_error(field: str, code: str, message: str, allowed: Any = None) -> dict[str, Any]:
    """Return one element of a 400's details; the field's name is put before the message."""
    return {
        "field": field,
        "code": code,
        "message": f"`{field}` {message}.",
        "allowed": allowed,
    }


def parse_ms(value: str, *, allow_day: bool = False) -> int | None:
    """Return the milliseconds since 1970 of an instant with a zone; None for other texts."""
    if allow_day and _DAY.fullmatch(value):
        value += "T00:00:00Z"
    found = _INSTANT.fullmatch(value)
    if found is None:
        return None
    day, time, fraction, zone = found.groups()
    try:
        whole = datetime.fromisoformat(f"{day}T{time}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:
        return None
    return (whole - _EPOCH) // timedelta(milliseconds=1) + int((fraction or "").ljust(3, "0")[:3])


def format_ms(at_ms: int) -> str:
    """Return an instant as the service writes it."""
    shown = (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")
    return shown.replace("+00:00", "Z")


def turn_key(environment: str, turn_id: str) -> str:
    """Return the part of an interaction id that is the turn's."""
    digest = hashlib.sha256(f"{environment}\0{turn_id}".encode()).digest()[:10]
    return _base_32(int.from_bytes(digest, "big"), 16)


def interaction_id(at_ms: int, key: str) -> str:
    """Return the id of the turn of this key at this instant."""
    return f"int_{_base_32(at_ms, 10)}{key}"


def key_of(id_: str) -> str:
    """Return the part of an interaction id that is the turn's."""
    return id_[-16:]


def instant_of(id_: str) -> int:
    """Return the milliseconds since 1970 in an interaction id."""
    number = 0
    for letter in id_[4:14]:
        number = number * 32 + _CROCKFORD.index(letter)
    return number


def _base_32(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, rest = divmod(number, 32)
        letters.append(_CROCKFORD[rest])
    return "".join(reversed(letters))
