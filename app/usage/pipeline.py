"""Roll-ups computed by the database, in one pass over the turns.

Each turn is unfolded in two: what it was (status, personality, emotion, model) and its latency.
Both are counted, so every turn is counted in both or in none, whatever is written meanwhile, and
what comes back grows with the number of different ones, not with the number of turns. Two and not
one, because few turns share all of it; two and not five, because each costs as much as the scan.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from app.usage.histogram import bucket_of
from app.usage.rollups import MAPS, SUMS, Document, Rollup, rollup_from

_KIND = {
    "by_status": "$status",
    "personalities": "$personality_id",
    "emotions": "$inferred_emotional_state.primary",
    # Nothing if the model was not told.
    "models": {
        "$concat": [{"$ifNull": ["$usage.llm_provider", "unknown"]}, "/", "$usage.llm_model"]
    },
}
_FACTS = {"kind": _KIND, "latency_ms": "$latency_ms"}
_VALUES = {
    "latency_sum_ms": "$latency_ms",
    "turns_consumed": "$usage.turns_consumed",
    "input_tokens": "$usage.input_tokens",
    "output_tokens": "$usage.output_tokens",
}


def by_day(chosen: Document, *, moving: bool = False) -> list[Document]:
    """The aggregation over the turns that match `chosen`; `rollups_of` reads its answer.

    `moving` says that turns may move ahead in the index that is scanned, where a scan meets them
    again: each is then counted once all the same, at the cost of remembering them.
    """
    once = {name: {"$first": f"${name}"} for name in ("day", "facts", *SUMS)}
    return [
        {"$match": chosen},
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
        day, fact, turns = group["_id"]["day"], group["_id"]["fact"], group["turns"]
        if group["_id"]["is_of"] == "latency_ms":
            maps[day]["latency_histogram"][bucket_of(fact)] += turns
            known = (*latencies[day], fact)
            latencies[day] = min(known), max(known)
            continue
        for name, value in fact.items():
            if value is not None:
                maps[day][name][value] += turns
        sums[day].update({name: group[name] for name in SUMS})
    return {day: rollup_from(maps[day], sums[day], latencies[day]) for day in maps}
