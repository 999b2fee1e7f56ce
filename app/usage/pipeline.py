"""Have the database compute roll-ups, in one pass over the turns.

The pipeline splits each turn into two facts: its names (status, personality, emotion, model) and
its latency. One scan counts both, so concurrent writes cannot change one count without the other.
The result grows with the number of distinct facts, not with the number of turns. Two facts are the
optimum: few turns share all of their values, and each further fact costs as much as the scan.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from app.backends.expressions import whole_number
from app.usage.histogram import bucket_of
from app.usage.rollups import MAPS, SUMS, Document, Rollup, rollup_from
from app.usage.summable import SUMMABLE, is_name

_KIND = {
    "by_status": "$status",
    "personalities": "$personality_id",
    "emotions": "$inferred_emotional_state.primary",
    "provider": "$usage.llm_provider",
    "model": "$usage.llm_model",
}
_LATENCY = whole_number("latency_ms")
_FACTS = {"kind": _KIND, "latency_ms": _LATENCY}
_VALUES = {
    "latency_sum_ms": _LATENCY,
    "turns_consumed": whole_number("usage.turns_consumed"),
    "input_tokens": whole_number("usage.input_tokens"),
    "output_tokens": whole_number("usage.output_tokens"),
}


def by_day(chosen: Document, *, moving: bool = False) -> list[Document]:
    """Return the aggregation over the turns that match `chosen` and can be summed.

    `rollups_of` reads its result. Set `moving` if turns may move forward in the scanned index
    during the scan: the database then keeps their ids, and counts each turn once.
    """
    once = {name: {"$first": f"${name}"} for name in ("day", "facts", *SUMS)}
    return [
        {"$match": chosen},
        {"$match": SUMMABLE},
        {"$project": {"day": 1, "facts": {"$objectToArray": _FACTS}, **_VALUES}},
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


def rollups_of(groups: Iterable[Document]) -> dict[str, Rollup]:
    """Return the roll-up of each day from the groups of `by_day`."""
    maps: dict[str, dict[str, Counter[Any]]] = defaultdict(
        lambda: {name: Counter() for name in MAPS}
    )
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    latencies: dict[str, tuple[int, ...]] = defaultdict(tuple)
    for group in groups:
        day, fact, turns = group["_id"].get("day"), group["_id"]["fact"], group["turns"]
        if not isinstance(day, str):
            continue
        if group["_id"]["is_of"] == "latency_ms":
            maps[day]["latency_histogram"][bucket_of(fact)] += turns
            known = (*latencies[day], fact)
            latencies[day] = min(known), max(known)
            continue
        for name, value in _named(**fact):
            if is_name(value):
                maps[day][name][value] += turns
        sums[day].update({name: group[name] for name in SUMS})
    return {day: rollup_from(maps[day], sums[day], latencies[day]) for day in maps}


def _named(provider: Any = None, model: Any = None, **names: Any) -> Iterator[tuple[str, Any]]:
    """Yield the map and the name of each fact; nothing for a model without a name."""
    yield from names.items()
    if is_name(model):
        yield "models", f"{provider if is_name(provider) else 'unknown'}/{model}"
