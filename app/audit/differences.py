"""Find the fields that a change of a stored document changes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.http.instants import format_datetime

MAX_TEXT_LENGTH = 100
# A stored value may be damaged, and then hold anything.
UNREADABLE = "(unreadable)"
Fields = Mapping[str, Any]


def differences(before: Fields, after: Fields) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of `after` that differ from `before`: their values before, and after.

    Of fields that are objects on both sides only the parts that differ; a missing part is null.
    """
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for name, value in after.items():
        was = before.get(name)
        if isinstance(was, Mapping) and isinstance(value, Mapping):
            parts = differences(was, {**dict.fromkeys(was), **value})
            if parts[1]:
                old[name], new[name] = parts
        elif not _is_same(was, value):
            old[name], new[name] = _plain(was), _plain(value)
    return old, new


def _is_same(was: Any, value: Any) -> bool:
    # In Python 1 equals True, while in a document one of the two is damaged.
    return isinstance(was, bool) == isinstance(value, bool) and bool(was == value)


def _plain(value: Any) -> Any:
    """Return a value as an entry keeps it: a number, a short text, an object of those."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return format_datetime(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    text = str(value) if isinstance(value, str) else ""
    return text if text.isprintable() and 0 < len(text) <= MAX_TEXT_LENGTH else UNREADABLE
