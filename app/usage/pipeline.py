"""Have the database compute roll-ups, in one pass over the turns.

The pipeline splits each turn into two facts: its names (status, personality, emotion, model; for a
breakdown also mode and API key) and its latency. One scan counts both, so concurrent writes cannot
change one count without the other. The result grows with the number of distinct facts, not with the
number of turns. Two facts are the optimum: few turns share all of their values, and each further
fact costs as much as the scan.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from app.backends.expressions import whole_number
from app.usage.breakdown import BreakdownCounter
from app.usage.histogram import bucket_of
from app.usage.names import NO_NAME
from app.usage.rollups import MAPS, SUMS, Document, Rollup, rollup_from
from app.usage.summable import SUMMABLE, is_name

_NAMES = {
    "by_status": "$status",
    "personalities": "$personality_id",
    "emotions": "$inferred_emotional_state.primary",
    "provider": "$usage.llm_provider",
    "model": "$usage.llm_model",
}
# A breakdown needs these, too.
_ALL_NAMES = _NAMES | {"mode": "$mode", "key": "$key_id"}
_LATENCY = whole_number("latency_ms")
_VALUES = {
    "latency_sum_ms": _LATENCY,
    "turns_consumed": whole_number("usage.turns_consumed"),
    "input_tokens": whole_number("usage.input_tokens"),
    "output_tokens": whole_number("usage.output_tokens"),
}

# Groups of an aggregation in a batch; without it the second one has 16 megabytes.
GROUPS_COUNT = 5_000
# The sums of a breakdown, in the order of `Sums`.
_COUNTED = ("turns", "turns_consumed", "input_tokens", "output_tokens")


def by_day(
    chosen: Document, *, moving: bool = False, has_breakdown: bool = False
) -> list[Document]:
    """Return the aggregation over the turns that match `chosen` and can be summed.

    `rollups_of` reads its result. Set `moving` if turns may move forward in the scanned index
    during the scan: the database then keeps their ids, and counts each turn once. A breakdown has
    a cost, so only callers that set `has_breakdown` get one.
    """
    facts = {"names": _ALL_NAMES if has_breakdown else _NAMES, "latency_ms": _LATENCY}
    once = {name: {"$first": f"${name}"} for name in ("day", "facts", *SUMS)}
    return [
        {"$match": chosen},
        {"$match": SUMMABLE},
        {"$project": {"day": 1, "facts": {"$objectToArray": facts}, **_VALUES}},
        *([{"$group": {"_id": "$_id"} | once}] if moving else []),
        {"$unwind": "$facts"},
        {
            "$group": {
                "_id": {"day": "$day", "is_of": "$facts.k", "fact": "$facts.v"},
                "turns": {"$sum": 1},
                **{name: {"$sum": f"${name}"} for name in SUMS},
            }
        },
    ]


def rollups_of(groups: Iterable[Document], *, has_breakdown: bool = False) -> dict[str, Rollup]:
    """Return the roll-up of each day from the groups of `by_day`."""
    days: dict[str, _Day] = defaultdict(_Day)
    for group in groups:
        day, fact = group["_id"].get("day"), group["_id"]["fact"]
        if not isinstance(day, str):
            continue
        if group["_id"]["is_of"] == "latency_ms":
            days[day].add_latency(fact, group["turns"])
            continue
        days[day].add_names(fact, group)
        if has_breakdown:
            days[day].breakdown.add(_dimensions(fact), [group[name] for name in _COUNTED])
    return {day: found.rollup() for day, found in days.items()}


class _Day:
    """Adds up the groups of a day."""

    def __init__(self) -> None:
        self.breakdown = BreakdownCounter()
        self._maps: dict[str, Counter[Any]] = {name: Counter() for name in MAPS}
        self._sums: Counter[str] = Counter()
        self._latencies: tuple[int, ...] = ()

    def add_latency(self, latency_ms: int, turns: int) -> None:
        """Add turns that took as long."""
        self._maps["latency_histogram"][bucket_of(latency_ms)] += turns
        known = (*self._latencies, latency_ms)
        self._latencies = min(known), max(known)

    def add_names(self, names: Document, group: Document) -> None:
        """Add the turns that have these names."""
        for name, value in _named(**names):
            if is_name(value):
                self._maps[name][value] += group["turns"]
        for name in SUMS:
            self._sums[name] += group[name]

    def rollup(self) -> Rollup:
        """Return the roll-up of all turns that were added."""
        return rollup_from(self._maps, self._sums, self._latencies, self.breakdown.breakdown())


def _named(
    provider: Any = None, model: Any = None, mode: Any = None, key: Any = None, **names: Any
) -> Iterator[tuple[str, Any]]:
    """Yield the map and the name of each fact; nothing for a model without a name.

    `mode` and `key` have no map: they are in the breakdown alone.
    """
    yield from names.items()
    if is_name(model):
        yield "models", _model_name(provider, model)


def _model_name(provider: Any, model: Any) -> str:
    return f"{provider if is_name(provider) else 'unknown'}/{model}"


def _dimensions(names: Document) -> dict[str, str]:
    """Return the name under which turns with these names count, by dimension of a breakdown."""
    provider, model = names.get("provider"), names.get("model")
    named = {
        "model": _model_name(provider, model) if is_name(model) else None,
        "provider": provider,
        "personality": names.get("personalities"),
        "status": names["by_status"],
        "mode": names.get("mode"),
        "key": names.get("key"),
    }
    return {name: value if is_name(value) else NO_NAME for name, value in named.items()}
