"""Make rows of entries of the audit trail."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.audit.model import AuthorKind, Entry
from app.audit.readable import list_changes
from app.http.instants import format_datetime
from app.tenancy.model import ApiKey, FoundKey

AUTHOR_KINDS = {
    AuthorKind.CONSOLE: "console",
    AuthorKind.COMMAND: "command",
    AuthorKind.KEY: "API key",
}
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
        "changes": [
            each._asdict() for each in list_changes(change.before or {}, change.after or {})
        ],
        "reason": entry.reason,
        "author": {
            "kind": AUTHOR_KINDS[AuthorKind(kind)],
            "name": None if is_key else name,
            "key": _key(name, keys) if is_key else None,
        },
        "outcome": entry.outcome.value,
    }


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
