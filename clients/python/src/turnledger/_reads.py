"""Reading routes: typed values of what the ledger has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from ._core import requests
from ._core.answers import build, read_as
from ._core.values import Answer, Request
from .models import AggregateBucket, GroupBy, Interaction, Limits, Me, UsageBucket

T = TypeVar("T")
_TRIES = 3


class Reads(ABC):
    """Reads of a ledger. They raise LedgerUnavailable without an answer, and NotFoundError."""

    @abstractmethod
    def ask(self, request: Request, *, budget_s: float | None = None, tries_count: int) -> Answer:
        """Return the success that `request` is answered with."""

    def interactions(
        self,
        *,
        user_id: str | None = None,
        relationship_id: str | None = None,
        status: str | None = None,
        mode: str | None = None,
        llm_model: str | None = None,
        turn_id: str | None = None,
        start: Any = None,
        end: Any = None,
        limit: int | None = None,
    ) -> Iterator[Interaction]:
        """Yield recorded turns of the last 180 days, newest first, page by page.

        `start` is inclusive, `end` exclusive: an aware datetime, or a date or instant as text.
        `limit` is the size of a page.
        """
        params: dict[str, Any] = {
            "user_id": user_id,
            "relationship_id": relationship_id,
            "status": status,
            "mode": mode,
            "llm_model": llm_model,
            "turn_id": turn_id,
            "from_": start,
            "to": end,
            "limit": limit,
        }
        while True:
            items, params["cursor"] = self._read(_page, "/v1/interactions", **params)
            yield from items
            if params["cursor"] is None:
                return

    def interaction(self, interaction_id: str) -> Interaction:
        """Return one recorded turn."""
        return self._read(partial(build, Interaction), f"/v1/interactions/{interaction_id}")

    def aggregates(
        self,
        *,
        group_by: GroupBy | None = None,
        breakdown: str | None = None,
        user_id: str | None = None,
        relationship_id: str | None = None,
        start: Any = None,
        end: Any = None,
    ) -> list[AggregateBucket]:
        """Return totals of the last 180 days; without `group_by` one bucket."""
        return self._read(
            partial(_buckets, AggregateBucket),
            "/v1/interactions/aggregates",
            group_by=group_by,
            breakdown=breakdown,
            user_id=user_id,
            relationship_id=relationship_id,
            from_=start,
            to=end,
        )

    def usage(
        self,
        *,
        group_by: GroupBy | None = None,
        breakdown: str | None = None,
        start: Any = None,
        end: Any = None,
    ) -> list[UsageBucket]:
        """Return totals as far back as the archive goes; by default of this billing period."""
        return self._read(
            partial(_buckets, UsageBucket),
            "/v1/usage/turns",
            group_by=group_by,
            breakdown=breakdown,
            from_=start,
            to=end,
        )

    def limits(self) -> Limits:
        """Return what is left of the quota and of the rate limit. It costs nothing of either.

        Raises RateLimitError beyond some five calls a second.
        """
        return self._read(partial(build, Limits), "/v1/limits")

    def me(self) -> Me:
        """Return the key, its organization and plan."""
        return self._read(partial(build, Me), "/v1/me")

    def _read(self, read: Callable[[Any], T], path: str, **params: Any) -> T:
        return read_as(self.ask(requests.read(path, params), tries_count=_TRIES), read)


def _page(body: Any) -> tuple[list[Interaction], str | None]:
    return [build(Interaction, item) for item in body["data"]], body["next_cursor"]


def _buckets(kind: type[T], body: Any) -> list[T]:
    return [build(kind, each) for each in body["data"]]
