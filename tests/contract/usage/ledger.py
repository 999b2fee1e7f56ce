"""Turns of one account, and their roll-up by brute force."""

from collections import Counter
from collections.abc import Iterable
from itertools import cycle
from typing import Any

from pymongo.database import Database

from app.usage.archive import Archiver
from app.usage.breakdown import Breakdown, Sums
from app.usage.histogram import bucket_of
from app.usage.rollups import Rollup, merged
from app.usage.store import UsageStore
from tests.turns import Body, new_account, row

ALWAYS = ("0", "9")
# The API keys of turns, in turn: none in rows of earlier releases, null in those of imports.
KEYS: tuple[dict[str, Any], ...] = (
    {"key_id": "key_1"},
    {},
    {"key_id": "key_2"},
    {"key_id": None},
    {"key_id": "key_1"},
)


class Books:
    """An account, its accepted turns, and its totals."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self.database = database
        self.account = new_account()
        self.store = UsageStore(database)
        self.archiver = Archiver(self.store, batch_count=3)
        self.rows: list[dict[str, Any]] = []
        self._keys = cycle(KEYS)

    def record(self, bodies: Iterable[Body], account: str | None = None) -> None:
        """Store turns."""
        rows = [row(account or self.account, body) | next(self._keys) for body in bodies]
        options = {"bypass_document_validation": True}
        if rows:
            self.database["interactions"].insert_many(rows, **options)
        if account is None:
            self.rows += rows

    def reported(self) -> dict[str, Rollup]:
        """Return the roll-up of each day: archived and live turns."""
        waiting = self.store.live_days(self.account, *ALWAYS)
        archived = list(self.store.days(self.account, *ALWAYS))
        committed = {day.day: day.committed for day in archived}
        fences = {day: committed.get(day, ()) for day in waiting}
        live = self.store.sum_open(self.account, fences, has_breakdown=True)
        days = {day.day: merged([day.rollup, live.pop(day.day, Rollup())]) for day in archived}
        return {day: rollup for day, rollup in (days | live).items() if rollup != Rollup()}

    def archived(self) -> dict[str, Rollup]:
        """Return the roll-up of each archived day."""
        return {day.day: day.rollup for day in self.store.days(self.account, *ALWAYS)}

    def expected(self) -> dict[str, Rollup]:
        """Return the roll-up of each day, one accepted row after another."""
        days = sorted({found["day"] for found in self.rows})
        return {day: brute_force(row for row in self.rows if row["day"] == day) for day in days}

    def raw(self) -> list[dict[str, Any]]:
        """Return the account's rows."""
        return list(self.database["interactions"].find({"account": self.account}))


def brute_force(rows: Iterable[dict[str, Any]]) -> Rollup:
    """Return the expected roll-up of these rows."""
    return merged(_alone(row) for row in rows)


def _alone(row: dict[str, Any]) -> Rollup:
    usage, feeling = row["usage"], row["inferred_emotional_state"]
    model = f"{usage['llm_provider'] or 'unknown'}/{usage['llm_model']}"
    return Rollup(
        by_status={row["status"]: 1},
        personalities={row["personality_id"]: 1},
        emotions=Counter([feeling["primary"]] if feeling else []),
        models={model: 1} if usage["llm_model"] else {},
        latency_histogram={bucket_of(row["latency_ms"]): 1},
        latency_sum_ms=row["latency_ms"],
        latency_min_ms=row["latency_ms"],
        latency_max_ms=row["latency_ms"],
        turns_consumed=usage["turns_consumed"],
        input_tokens=usage["input_tokens"] or 0,
        output_tokens=usage["output_tokens"] or 0,
        breakdown=_breakdown_alone(row, model if usage["llm_model"] else "~none"),
    )


def _breakdown_alone(row: dict[str, Any], model: str) -> Breakdown:
    usage = row["usage"]
    tokens = (usage[name] or 0 for name in ("input_tokens", "output_tokens"))
    sums = Sums(1, usage["turns_consumed"], *tokens)
    return Breakdown(
        turns=1,
        model={model: sums},
        provider={usage["llm_provider"] or "~none": sums},
        personality={row["personality_id"]: sums},
        status={row["status"]: sums},
        mode={row["mode"]: sums},
        key={row.get("key_id") or "~none": sums},
    )
