"""Reading routes: typed values of what the ledger has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from ._core import requests
from ._core.answers import build, json_of
from ._core.values import Answer, Request
from .models import AggregateBucket, GroupBy, Interaction, Limits, Me, UsageBucket

_TRIES = 3


class Reads(ABC):
    """Reads of a ledger. They raise LedgerUnavailable without an answer, and NotFoundError."""

    @abstractmethod
    def ask(
        self, request: Request, *, budget_s: float | None = None, tries_count: int = _TRIES
    ) -> Answer:
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
            page = self._read("/v1/interactions", **params)
            for item in page["data"]:
                yield build(Interaction, item)
            if page["next_cursor"] is None:
                return
            params["cursor"] = page["next_cursor"]

    def interaction(self, interaction_id: str) -> Interaction:
        """Return one recorded turn."""
        return build(Interaction, self._read(f"/v1/interactions/{interaction_id}"))

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
        body = self._read(
            "/v1/interactions/aggregates",
            group_by=group_by,
            breakdown=breakdown,
            user_id=user_id,
            relationship_id=relationship_id,
            from_=start,
            to=end,
        )
        return [build(AggregateBucket, each) for each in body["data"]]

    def usage(
        self,
        *,
        group_by: GroupBy | None = None,
        breakdown: str | None = None,
        start: Any = None,
        end: Any = None,
    ) -> list[UsageBucket]:
        """Return totals as far back as the archive goes; by default of this billing period."""
        body = self._read(
            "/v1/usage/turns", group_by=group_by, breakdown=breakdown, from_=start, to=end
        )
        return [build(UsageBucket, each) for each in body["data"]]

    def limits(self) -> Limits:
        """Return what is left of the quota and of the rate limit. It costs one request."""
        answer = self.ask(
            requests.read("/v1/usage/turns", {"group_by": "month"}), tries_count=_TRIES
        )
        quota = json_of(answer)["quota"]
        rate, remaining = (
            answer.headers.get(f"x-ratelimit-{name}") for name in ("limit", "remaining")
        )
        numbers = {
            "requests_per_second": float(rate) if rate else None,
            "requests_remaining": int(remaining) if remaining else None,
        }
        return build(Limits, {**quota, **numbers})

    def me(self) -> Me:
        """Return the key, its organization and plan."""
        return build(Me, self._read("/v1/me"))

    def _read(self, path: str, **params: Any) -> Any:
        return json_of(self.ask(requests.read(path, params), tries_count=_TRIES))
