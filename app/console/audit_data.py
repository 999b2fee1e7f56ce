"""Compute the page of the audit trail: entries, newest first, and the filters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from app.audit.model import Action, AuthorKind, EntryFilter
from app.audit.trail import AuditTrail
from app.console.audit_rows import AUTHOR_KINDS, Data, entry_rows
from app.console.choices import ALL, MOST_TEXT, chosen_or_all
from app.console.parts import part
from app.http.instants import (
    datetime_of_us,
    format_datetime,
    parse_ms,
)
from app.tenancy.directory.service import Directory
from app.tenancy.errors import AmbiguousName, OrganizationNotFound
from app.tenancy.service import Organizations

PAGE_ROWS = 50


@dataclass(frozen=True, slots=True)
class AuditChoice:
    """The query of the page; None and an empty text do not filter, other texts are as typed."""

    object: str = ""
    action: Action | None = None
    kind: AuthorKind | None = None
    author: str = ""
    since: str = ""
    until: str = ""
    before_id: str | None = None

    @property
    def is_filtering(self) -> bool:
        """Return True if a filter is set."""
        return any((self.object, self.action, self.kind, self.author, self.since, self.until))


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
            "kinds": {kind.value: text for kind, text in AUTHOR_KINDS.items()},
            "problems": listed.pop("problems", {}),
            "list": listed,
        }

    def _list(self, choice: AuditChoice) -> Data:
        reading = self._read(choice)
        if reading.problems:
            return {"problems": reading.problems, "entries": [], "total_count": 0}
        page = self._trail.page(reading.filter_, choice.before_id, PAGE_ROWS)
        rows = entry_rows(page.entries, self._directory)
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
            action=choice.action,
            author_kind=choice.kind,
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
    """Return the choice of a query string; raises InvalidFields for an unknown filter."""

    def text(name: str) -> str:
        return values.get(name, "").strip()[:MOST_TEXT]

    return AuditChoice(
        object=text("object"),
        action=chosen_or_all(values, "action", Action),
        kind=chosen_or_all(values, "kind", AuthorKind),
        author=text("author"),
        since=text("from"),
        until=text("to"),
        before_id=values.get("before") or None,
    )


def _read_day(text: str, field_id: str, problems: dict[str, str]) -> datetime | None:
    if not text:
        return None
    try:
        return datetime_of_us(parse_ms(text, allow_date=True) * 1_000)
    except ValueError:
        problems[field_id] = (
            f"{field_id.capitalize()} must be a day such as 2026-11-30, or an instant in UTC."
        )
        return None


def _filter(choice: AuditChoice) -> Data:
    return {
        "object": choice.object,
        "action": choice.action.value if choice.action else ALL,
        "kind": choice.kind.value if choice.kind else ALL,
        "author": choice.author,
        "from": choice.since,
        "to": choice.until,
        "is_filtering": choice.is_filtering,
    }
