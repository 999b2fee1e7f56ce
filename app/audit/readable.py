"""Write the fields that a change changed as a person reads them, for commands and the console."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from app.audit.model import Fields
from app.http.instants import UTC_INSTANT_PATTERN, format_ms

# Groups of fields: the names of their parts say enough.
_GROUPS = ("overrides", "temporary_limits")
_INSTANT = re.compile(UTC_INSTANT_PATTERN)


class FieldChange(NamedTuple):
    """A field with its value before (None: it had none) and after, as text.

    A value that ends by itself does so at `until`, in ISO 8601; with `is_instant` the values are
    such instants too.
    """

    name: str
    before: str | None
    after: str | None
    until: str | None
    is_instant: bool


def list_changes(before: Fields, after: Fields) -> list[FieldChange]:
    """Return each field that changed."""
    rows: list[FieldChange] = []
    for name, value in after.items():
        was = before.get(name)
        if name in _GROUPS and isinstance(value, Mapping):
            rows += list_changes(was if isinstance(was, Mapping) else {}, value)
        else:
            until = _until(value) or _until(was)
            is_instant = _is_instant(value) or _is_instant(was)
            rows.append(FieldChange(name, _text(was), _text(value), until, is_instant))
    return rows


def _text(value: object) -> str | None:
    """Return a value as a person reads it; instants as they are."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if _until(value) and isinstance(value, Mapping):
        return _text(value["value"])
    return orjson.dumps(value).decode()


def _until(value: object) -> str | None:
    """Return the end of a temporary limit; None for any other value."""
    if not isinstance(value, Mapping) or value.keys() != {"value", "until_ms"}:
        return None
    until_ms = value["until_ms"]
    return format_ms(until_ms) if isinstance(until_ms, int) else None


def _is_instant(value: object) -> bool:
    return isinstance(value, str) and _INSTANT.fullmatch(value) is not None
