"""Roll-ups computed by the database, in one pass over the turns.

Each turn is unfolded in two: what it was (status, personality, emotion, model) and its latency.
Both are counted, so every turn is counted in both or in none, whatever is written meanwhile, and
what comes back grows with the number of different ones, not with the number of turns. Two and not
one, because few turns share all of it; two and not five, because each costs as much as the scan.
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
    """The aggregation over the turns that match `chosen` and can be summed.

    `rollups_of` reads its answer.
    `moving` says that turns may move ahead in the index that is scanned, where a scan meets them
    again: each is then counted once all the same, at the cost of remembering them.
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
    """The roll-up of each day in the groups that `by_day` made."""
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
    """The names of what some turns were, by the map that counts them; no model without its name."""
    yield from names.items()
    if is_name(model):
        yield "models", f"{provider if is_name(provider) else 'unknown'}/{model}"
