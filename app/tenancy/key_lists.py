"""List API keys: active ones first, then expired, then revoked; newest first in each state.

A listing is a sequence of pages. The instant at which it started decides which keys have expired,
so a key cannot move between two pages. A key that is revoked meanwhile is listed among
the revoked ones; if an earlier page has shown it as active, it is listed twice. No key is left out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from app.http.cursors import SignedCursors
from app.http.instants import datetime_of_us
from app.tenancy.model import Environment, FoundKey, KeyState
from app.tenancy.store import TenancyStore

# More than an account may have active keys, also after a race for the last one: the official
# client reads one page only.
MAX_PER_PAGE = 200


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Some keys, and the cursor of the next page if there is one."""

    keys: list[FoundKey]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class _Position:
    """The last key that was listed (None: before the first) and its state; when it started."""

    listing_started_us: int
    state: KeyState = KeyState.ACTIVE
    last_id: str | None = None


class KeyLists:
    """Lists keys of one organization at a time; `now_us` is Redis's clock."""

    def __init__(
        self, store: TenancyStore, cursor_secrets: Sequence[str], now_us: Callable[[], int]
    ) -> None:
        self._store = store
        self._now_us = now_us
        self._cursors = SignedCursors(
            cursor_secrets, "turnledger.api_keys.cursor", version=1, position_count=3
        )

    def page(
        self, organization_id: str, environment: Environment, limit: int, cursor: str | None
    ) -> KeyPage:
        """Return at most `limit` keys of one account; raises CursorRefused."""
        binding, now_us = [organization_id, environment.value], self._now_us()
        position = _Position(now_us)
        if cursor is not None:
            listing_started_us, state, last_id = self._cursors.read(cursor, binding, now_us)
            position = _Position(listing_started_us, KeyState(state), last_id)
        found = list(islice(self._from(organization_id, [environment], position, limit), limit + 1))
        following = None
        if len(found) > limit:
            state, last = found[limit - 1]
            shown = [position.listing_started_us, state.value, last.id]
            following = self._cursors.write(binding, shown, now_us)
        return KeyPage([key for _, key in found[:limit]], following)

    def all_(
        self, organization_id: str, environment: Environment | None = None
    ) -> Iterator[FoundKey]:
        """Return every key of an organization, of one environment or (None) of both.

        Last come the keys that a damaged field keeps out of every state.
        """
        environments = [environment] if environment else list(Environment)
        position = _Position(self._now_us())
        for _, key in self._from(organization_id, environments, position, MAX_PER_PAGE):
            yield key
        yield from self._store.find_stray_keys(
            organization_id, datetime_of_us(position.listing_started_us)
        )

    def _from(
        self,
        organization_id: str,
        environments: Sequence[Environment],
        position: _Position,
        at_once: int,
    ) -> Iterator[tuple[KeyState, FoundKey]]:
        """Yield every key after `position` with its state, in batches of `at_once` + 1."""
        at = datetime_of_us(position.listing_started_us)
        states = list(KeyState)
        last_id = position.last_id
        for state in states[states.index(position.state) :]:
            has_more = True
            while has_more:
                found = self._store.find_keys(
                    organization_id,
                    environments,
                    state,
                    at,
                    before_id=last_id,
                    at_most=at_once + 1,
                )
                yield from ((state, key) for key in found)
                has_more = len(found) > at_once
                last_id = found[-1].id if has_more else None
