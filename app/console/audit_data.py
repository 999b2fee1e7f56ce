"""Compute the page of the audit trail: entries, newest first, and the filters."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from app.audit.model import Action, AuthorKind, Entry, EntryFilter, Fields
from app.audit.trail import AuditTrail
from app.console.parts import part
from app.http.instants import (
    UTC_INSTANT_PATTERN,
    datetime_of_us,
    format_datetime,
    format_ms,
    parse_ms,
)
from app.tenancy.directory.service import Directory
from app.tenancy.errors import AmbiguousName, OrganizationNotFound
from app.tenancy.model import ApiKey, FoundKey
from app.tenancy.service import Organizations

PAGE_ROWS = 50
MOST_TEXT = 100
ALL = "all"
_KINDS = {
    AuthorKind.CONSOLE: "console",
    AuthorKind.COMMAND: "command",
    AuthorKind.KEY: "API key",
}
# Groups of an entry's fields: the names of their parts say enough.
_GROUPS = ("overrides", "temporary_limits")
_INSTANT = re.compile(UTC_INSTANT_PATTERN)
Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditChoice:
    """The query of the page, as it was typed; `ALL` and an empty text do not filter."""

    object: str = ""
    action: str = ALL
    kind: str = ALL
    author: str = ""
    since: str = ""
    until: str = ""
    before_id: str | None = None

    @property
    def is_filtering(self) -> bool:
        """Return True if a filter is set."""
        texts = (self.object, self.author, self.since, self.until)
        return any(texts) or self.action != ALL or self.kind != ALL


@dataclass(slots=True)
class _Reading:
    """The filter that a choice means, and its problems by the id of their field."""

    filter_: EntryFilter
    problems: dict[str, str]


class AuditData:
    """Computes the page at `now`."""

    def __init__(
        self,
        trail: AuditTrail,
        organizations: Organizations,
        directory: Directory,
        now: Callable[[], datetime],
    ) -> None:
        self._trail = trail
        self._organizations = organizations
        self._directory = directory
        self._now = now

    def compute(self, choice: AuditChoice) -> Data:
        """Return the data of the page; with `problems` it has no entries."""
        listed = part(lambda: self._list(choice))
        return {
            "as_of": format_datetime(self._now()),
            "filter": _filter(choice),
            "actions": [action.value for action in Action],
            "kinds": {kind.value: text for kind, text in _KINDS.items()},
            "problems": listed.pop("problems", {}),
            "list": listed,
        }

    def _list(self, choice: AuditChoice) -> Data:
        reading = self._read(choice)
        if reading.problems:
            return {"problems": reading.problems, "entries": [], "total_count": 0}
        page = self._trail.page(reading.filter_, choice.before_id, PAGE_ROWS)
        ids = sorted({entry.change.organization_id for entry in page.entries})
        key_ids = sorted({each for entry in page.entries for each in _key_ids(entry)})
        names, keys = self._directory.names(ids), self._directory.keys_by_id(key_ids)
        rows = [entry_row(entry, names, keys) for entry in page.entries]
        return {
            "entries": rows,
            "total_count": page.total_count,
            "is_first_page": choice.before_id is None,
            "next_before": rows[-1]["id"] if page.has_more else None,
        }

    def _read(self, choice: AuditChoice) -> _Reading:
        problems: dict[str, str] = {}
        organization_id, key_id = self._read_object(choice.object, problems)
        since = _read_day(choice.since, "from", problems)
        until = _read_day(choice.until, "to", problems)
        if since and until and until <= since and not problems:
            problems["to"] = "The end must be a day after the start."
        chosen = EntryFilter(
            organization_id=organization_id,
            key_id=key_id,
            action=Action(choice.action) if choice.action in list(Action) else None,
            author_kind=AuthorKind(choice.kind) if choice.kind in list(AuthorKind) else None,
            author_name=choice.author or None,
            since=since,
            until=until,
        )
        return _Reading(chosen, problems)

    def _read_object(self, text: str, problems: dict[str, str]) -> tuple[str | None, str | None]:
        """Return the id of the organization or of the key that `text` names."""
        if not text or text.startswith("key_"):
            return None, text or None
        try:
            return self._organizations.find_id(text), None
        except (OrganizationNotFound, AmbiguousName) as error:
            problems["object"] = str(error)
            return None, None


def read_choice(values: Mapping[str, str]) -> AuditChoice:
    """Return the choice of a query string."""

    def text(name: str, otherwise: str = "") -> str:
        return values.get(name, otherwise).strip()[:MOST_TEXT] or otherwise

    return AuditChoice(
        object=text("object"),
        action=text("action", ALL),
        kind=text("kind", ALL),
        author=text("author"),
        since=text("from"),
        until=text("to"),
        before_id=values.get("before") or None,
    )


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
            "kind": _KINDS[AuthorKind(kind)],
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


def _key_ids(entry: Entry) -> Iterator[str]:
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


def _read_day(text: str, field_id: str, problems: dict[str, str]) -> datetime | None:
    if not text:
        return None
    try:
        return datetime_of_us(parse_ms(text, allow_date=True) * 1_000)
    except ValueError:
        problems[field_id] = "A day such as 2026-11-30, or an instant in UTC."
        return None


def _filter(choice: AuditChoice) -> Data:
    return {
        "object": choice.object,
        "action": choice.action,
        "kind": choice.kind,
        "author": choice.author,
        "from": choice.since,
        "to": choice.until,
        "is_filtering": choice.is_filtering,
    }
