"""Compute the page of keys: counts, the chosen keys of its forms, and the filtered list."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from app.console.choices import ALL, MOST_TEXT, chosen_or_all
from app.console.key_rows import Row, key_row
from app.console.parts import part
from app.http.instants import format_datetime
from app.tenancy.directory.model import KeyQuery, KeyView
from app.tenancy.directory.service import Directory
from app.tenancy.key_format import redact
from app.tenancy.leaks import MOST_KEYS, Leak
from app.tenancy.model import Environment

PAGE_ROWS = 50


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """The query of the page.

    `certain_ids` and `possible_ids` are of the keys that the form to revoke shows, `rotate_id` that
    of the form to rotate.
    """

    query: KeyQuery = field(default_factory=KeyQuery)
    before_id: str | None = None
    certain_ids: tuple[str, ...] = ()
    possible_ids: tuple[str, ...] = ()
    unknown_count: int = 0
    has_more: bool = False
    rotate_id: str | None = None


class KeysData:
    """Computes the page at `now`."""

    def __init__(self, directory: Directory, now: Callable[[], datetime]) -> None:
        self._directory = directory
        self._now = now

    def compute(self, choice: KeyChoice) -> dict[str, Any]:
        """Return the data of the page."""
        now = self._now()
        # The budget of time in MongoDB is one for all parts, so the counts come last.
        parts = {
            "revocation": part(lambda: self._revocation(choice, now)),
            "rotation": part(lambda: self._rotation(choice.rotate_id, now)),
            "list": part(lambda: self._list(choice, now)),
            "summary": part(lambda: asdict(self._directory.summary())),
        }
        return {"as_of": format_datetime(now), "filter": _filter(choice.query), **parts}

    def _revocation(self, choice: KeyChoice, now: datetime) -> dict[str, Any]:
        """Return the keys that a search or a row has chosen, without those that are removed."""
        ids = [*choice.certain_ids, *choice.possible_ids][:MOST_KEYS]
        rows = self._rows(ids, now)
        for row in rows:
            row["is_certain"] = row["id"] in choice.certain_ids
        revocable = [row["id"] for row in rows if row["state"] != "revoked"]
        return {
            "keys": rows,
            "revocable_ids": revocable,
            "unknown_count": choice.unknown_count,
            "has_more": choice.has_more,
        }

    def _rotation(self, key_id: str | None, now: datetime) -> dict[str, Any]:
        """Return the key to rotate; `is_missing` if there is none of this id."""
        rows = self._rows([key_id] if key_id else [], now)
        can_rotate = bool(rows) and rows[0]["state"] in ("active", "expires_soon")
        return {
            "key": rows[0] if rows else None,
            "can_rotate": can_rotate,
            "is_missing": key_id is not None and not rows,
        }

    def _rows(self, ids: Sequence[str], now: datetime) -> list[Row]:
        keys = self._directory.keys_by_id(ids) if ids else {}
        found = [keys[each] for each in ids if each in keys]
        names = self._directory.names_of(found)
        return [key_row(key, names, now) for key in found]

    def _list(self, choice: KeyChoice, now: datetime) -> dict[str, Any]:
        listing = self._directory.keys(choice.query, choice.before_id, PAGE_ROWS)
        rows = [key_row(key, listing.names, now) for key in listing.keys]
        return {
            "keys": rows,
            "total_count": listing.total_count,
            "is_first_page": choice.before_id is None,
            "next_before": rows[-1]["id"] if listing.has_more else None,
        }


def read_choice(values: Mapping[str, str]) -> KeyChoice:
    """Return the choice of a query string; raises InvalidFields for an unknown filter."""
    text = values.get("q", "").strip()[:MOST_TEXT]
    unknown = values.get("unknown", "")
    return KeyChoice(
        query=KeyQuery(
            text=redact(text) or None,
            environment=chosen_or_all(values, "environment", Environment),
            view=chosen_or_all(values, "state", KeyView),
        ),
        before_id=values.get("before") or None,
        certain_ids=_ids(values.get("revoke", "")),
        possible_ids=_ids(values.get("maybe", "")),
        unknown_count=int(unknown) if unknown.isdecimal() and len(unknown) < 4 else 0,
        has_more="more" in values,
        rotate_id=values.get("rotate") or None,
    )


def leak_query(leak: Leak) -> dict[str, str]:
    """Return the query that shows what a search has found: ids, no text."""
    values = {
        "revoke": ",".join(leak.certain),
        "maybe": ",".join(leak.possible_ids),
        "unknown": str(len(leak.unknown_hints) or ""),
        "more": "1" if leak.has_more else "",
    }
    return {name: value for name, value in values.items() if value}


def _ids(text: str) -> tuple[str, ...]:
    ids = dict.fromkeys(each for each in text.split(",") if each.startswith("key_"))
    return tuple(ids)[:MOST_KEYS]


def _filter(query: KeyQuery) -> dict[str, Any]:
    return {
        "q": query.text,
        "environment": query.environment.value if query.environment else ALL,
        "state": query.view.value if query.view else ALL,
    }
