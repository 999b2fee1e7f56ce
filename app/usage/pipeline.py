"""Roll-ups computed by the database, in one pass over the turns.

Each turn is unfolded into its facts (status, personality, emotion, model, latency) and the facts
are counted. So every turn is counted in all of them or in none, whatever is written meanwhile, and
what comes back grows with the number of different facts, not with the number of turns.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from app.usage.histogram import bucket_of
from app.usage.rollups import MAPS, SUMS, Document, Rollup, rollup_from

_FACTS = {
    "by_status": "$status",
    "personalities": "$personality_id",
    "emotions": "$inferred_emotional_state.primary",
    # Nothing if the model was not told.
    "models": {
        "$concat": [{"$ifNull": ["$usage.llm_provider", "unknown"]}, "/", "$usage.llm_model"]
    },
    "latency_histogram": "$latency_ms",
}
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
                "_id": {"day": "$day", "kind": "$facts.k", "fact": "$facts.v"},
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
    for group in groups:
        day, kind, fact = (group["_id"].get(name) for name in ("day", "kind", "fact"))
        if fact is None:
            continue
        name = bucket_of(fact) if kind == "latency_histogram" else fact
        maps[day][kind][name] += group["turns"]
        if kind == "by_status":  # every turn has just one
            sums[day].update({name: group[name] for name in SUMS})
    return {day: rollup_from(maps[day], sums[day]) for day in maps}
