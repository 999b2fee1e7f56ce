"""List turns page by page, and find the same turns by reading every row."""

from collections.abc import Callable, Iterator
from typing import Any

from app.interactions.ids import TurnKeys
from app.interactions.model import Filters, Item
from app.interactions.service import InteractionService
from tests.servers import ID_KEY

MOST_PAGES = 100
Row = dict[str, Any]


def listing(
    service: InteractionService,
    account: str,
    filters: Filters,
    limit: int,
    *,
    now_us: int,
    between_pages: Callable[[], object] = lambda: None,
) -> Iterator[Item]:
    """Yield the items of all pages of a listing that starts at `now_us`."""
    cursor = None
    for _ in range(MOST_PAGES):
        page = service.list_(
            account, filters, limit, cursor, time_us=now_us, account_now_us=lambda: now_us
        )
        assert len(page.items) <= limit
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return
        between_pages()
    raise AssertionError("the listing does not end")


def expected(rows: list[Row], filters: Filters) -> list[str]:
    """Return the matching ids, newest first, found by reading every row."""
    chosen = [found["_id"] for found in rows if passes(found, filters)]
    return [f"int_{ulid}" for ulid in sorted(chosen, reverse=True)]


def passes(found: Row, filters: Filters) -> bool:
    """Return True if a row passes every filter that is set, and is not erased."""
    return (
        not found.get("erased")
        and filters.user_id in (None, found["user_id"])
        and filters.relationship_id in (None, found["relationship_id"])
        and (filters.from_ms is None or instant_of(found) >= filters.from_ms)
        and (filters.to_ms is None or instant_of(found) < filters.to_ms)
        and filters.status in (None, found["status"])
        and filters.mode in (None, found["mode"])
        and filters.llm_model in (None, found["usage"]["llm_model"])
        and (filters.turn_id is None or is_turn(found, filters.turn_id))
    )


def is_turn(found: Row, turn_id: str) -> bool:
    key: str = found["turn_key"]
    return key == TurnKeys(ID_KEY).turn_key(found["account"], turn_id)


def instant_of(found: Row) -> int:
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    instant = 0
    for digit in found["_id"][:10]:
        instant = instant * 32 + digits.index(digit)
    return instant
