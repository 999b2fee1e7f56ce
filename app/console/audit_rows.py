"""Make rows of entries of the audit trail."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.audit.model import AuthorKind, Entry
from app.audit.readable import list_changes
from app.http.instants import format_datetime
from app.tenancy.directory.service import Directory
from app.tenancy.model import ApiKey, FoundKey

AUTHOR_KINDS = {
    AuthorKind.CONSOLE: "console",
    AuthorKind.COMMAND: "command",
    AuthorKind.KEY: "API key",
}
Data = dict[str, Any]


def entry_rows(entries: Sequence[Entry], directory: Directory) -> list[Data]:
    """Return entries as rows of a table; removed organizations and keys have only their id."""
    ids = sorted({entry.change.organization_id for entry in entries})
    key_ids = sorted({each for entry in entries for each in _key_ids_of(entry)})
    names, keys = directory.names(ids), directory.keys_by_id(key_ids)
    return [_entry_row(entry, names, keys) for entry in entries]


def _entry_row(entry: Entry, names: Mapping[str, str], keys: Mapping[str, FoundKey]) -> Data:
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


def _key_ids_of(entry: Entry) -> Iterator[str]:
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
