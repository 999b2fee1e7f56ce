"""Make rows of entries of the audit trail."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from app.audit.model import AuthorKind, Entry, Fields
from app.http.instants import (
    UTC_INSTANT_PATTERN,
    format_datetime,
    format_ms,
)
from app.tenancy.model import ApiKey, FoundKey

AUTHOR_KINDS = {
    AuthorKind.CONSOLE: "console",
    AuthorKind.COMMAND: "command",
    AuthorKind.KEY: "API key",
}
# Groups of an entry's fields: the names of their parts say enough.
_GROUPS = ("overrides", "temporary_limits")
_INSTANT = re.compile(UTC_INSTANT_PATTERN)
Data = dict[str, Any]


def entry_row(entry: Entry, names: Mapping[str, str], keys: Mapping[str, FoundKey]) -> Data:
    """Return an entry as a row of the table; removed keys have only their id."""
    change = entry.change
    kind, _, name = entry.who.partition(":")
    is_key = kind == AuthorKind.KEY
    return {
        "id": entry.id,
        "at": format_datetime(entry.at),
        "action": change.action.value,
        "organization": {
            "id": change.organization_id,
            "name": names.get(change.organization_id),
        },
        "key": _key(change.key_id, keys),
        "changes": list_changes(change.before or {}, change.after or {}),
        "reason": entry.reason,
        "author": {
            "kind": AUTHOR_KINDS[AuthorKind(kind)],
            "name": None if is_key else name,
            "key": _key(name, keys) if is_key else None,
        },
        "outcome": entry.outcome.value,
    }


def list_changes(before: Fields, after: Fields) -> Sequence[Data]:
    """Return each field that changed, with its value before (None: it had none) and after.

    A value that ends by itself has the instant in `until`.
    """
    rows: list[Data] = []
    for name, value in after.items():
        was = before.get(name)
        if name in _GROUPS and isinstance(value, Mapping):
            rows += list_changes(was if isinstance(was, Mapping) else {}, value)
        else:
            until = _until(value) or _until(was)
            row = {"name": name, "before": _text(was), "after": _text(value), "until": until}
            rows.append(row | {"is_instant": _is_instant(value) or _is_instant(was)})
    return rows


def key_ids_of(entry: Entry) -> Iterator[str]:
    """Return the ids of keys that an entry names."""
    if entry.change.key_id is not None:
        yield entry.change.key_id
    kind, _, name = entry.who.partition(":")
    if kind == AuthorKind.KEY:
        yield name


def _key(key_id: str | None, keys: Mapping[str, FoundKey]) -> Data | None:
    if key_id is None:
        return None
    found = keys.get(key_id)
    shown = (found.label, found.hint) if isinstance(found, ApiKey) else (None, None)
    return {"id": key_id, "label": shown[0], "hint": shown[1]}


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
