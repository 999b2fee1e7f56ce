"""Make up a history for the demo: turns with the rhythm of days and weeks.

Nothing here is anybody's data. The same plan, count and hour give the same turns.
"""

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any, TypeVar

from app.http.durations import HOUR_MS
from app.http.instants import format_ms

T = TypeVar("T")

HISTORY_DAYS = 200
TIMED_OUT_MS = 30_000

# The share of the history that each plan's organization has.
SHARES: Mapping[str, float] = {"free": 0.03, "pro": 0.37, "scale": 0.42, "enterprise": 0.18}
_USERS_COUNT: Mapping[str, int] = {"free": 12, "pro": 140, "scale": 420, "enterprise": 230}

# Weights by hour of the day (UTC) and by day of the week, Monday first.
_HOURS = (3, 2, 1, 1, 1, 2, 4, 7, 10, 12, 13, 13, 12, 13, 14, 14, 13, 12, 13, 15, 16, 14, 10, 6)
_WEEKDAYS = (1.0, 1.05, 1.05, 1.0, 0.9, 0.6, 0.55)
_MONDAY_HOUR = 4 * 24  # 1970-01-05, in hours since 1970
_GROWTH = 0.8

_STATUSES = {"completed": 0.955, "guardrail_blocked": 0.02, "failed": 0.015, "timed_out": 0.01}
_PERSONALITIES = {"pers_ada": 5, "pers_bruno": 3, "pers_chiyo": 3, "pers_dara": 2, "pers_elio": 1}
_MOMENTS = {0: 60, 1: 20, 2: 12, 3: 6, 4: 2}
_GUARDRAILS = ("tone_softened", "topic_redirected", "medical_disclaimer", "self_harm_protocol")
_ERRORS = ("provider_overloaded", "provider_error", "context_too_long")


@dataclass(frozen=True, slots=True)
class _Emotion:
    weight: int
    valence: float
    arousal: float
    companions: Sequence[str]


_EMOTIONS = {
    "joy": _Emotion(22, 0.7, 0.5, ("trust", "anticipation")),
    "trust": _Emotion(16, 0.5, 0.2, ("joy",)),
    "curiosity": _Emotion(18, 0.3, 0.4, ("anticipation", "joy")),
    "neutral": _Emotion(20, 0.0, 0.1, ()),
    "sadness": _Emotion(9, -0.6, 0.2, ("fear",)),
    "frustration": _Emotion(8, -0.5, 0.6, ("anger", "sadness")),
    "anxiety": _Emotion(7, -0.5, 0.7, ("fear",)),
}


@dataclass(frozen=True, slots=True)
class _Model:
    weight: int
    provider: str
    median_ms: int
    first_token_ms: int


_MODELS = {
    "gpt-4o": _Model(5, "openai", 1_700, 320),
    "gpt-4o-mini": _Model(6, "openai", 900, 210),
    "claude-sonnet-4": _Model(5, "anthropic", 1_900, 380),
    "mistral-large": _Model(2, "mistral", 1_500, 290),
}


def past_turns(plan: str, count: int, now_ms: int) -> Iterator[Mapping[str, Any]]:
    """Yield bodies of recordings: `count` turns of the 200 days before `now_ms`, oldest first.

    They are as a producer of the plan's demo organization would have sent them.
    """
    # Repeatable on purpose, and nothing here is a secret.
    random = Random(f"turnledger {plan}")  # noqa: S311
    people = _people(plan, random)
    weights = list(accumulate(rank**-0.7 for rank in range(1, len(people) + 1)))
    for number, occurred_at_ms in enumerate(_instants(count, now_ms, random), 1):
        person = people[bisect(weights, random.random() * weights[-1])]
        yield {
            "turn_id": f"demo-{plan}-{number:06d}",
            "occurred_at": format_ms(occurred_at_ms),
            **_content(person, random),
        }


def _people(plan: str, random: Random) -> list[Mapping[str, str]]:
    return [
        {
            "user_id": f"u_{plan}_{number}",
            "relationship_id": f"rel_{plan}_{number}",
            "personality_id": _pick(_PERSONALITIES, random),
        }
        for number in range(1, _USERS_COUNT[plan] + 1)
    ]


def _instants(count: int, now_ms: int, random: Random) -> list[int]:
    last = now_ms // HOUR_MS
    hours = range(last - HISTORY_DAYS * 24, last)
    weights = [_weight(hour, (hour - hours[0]) / len(hours)) for hour in hours]
    chosen = random.choices(hours, weights, k=count)
    return sorted(hour * HOUR_MS + random.randrange(HOUR_MS) for hour in chosen)


def _weight(hour: int, progress: float) -> float:
    weekday = (hour - _MONDAY_HOUR) // 24 % 7
    return _HOURS[hour % 24] * _WEEKDAYS[weekday] * (1 + _GROWTH * progress)


def _content(person: Mapping[str, str], random: Random) -> Mapping[str, Any]:
    is_stateful = random.random() < 0.92
    status = _pick(_STATUSES, random)
    name = random.choices(list(_MODELS), [model.weight for model in _MODELS.values()])[0]
    has_answer = status in {"completed", "guardrail_blocked"}
    return {
        "mode": "stateful" if is_stateful else "stateless",
        "status": status,
        "user_id": person["user_id"] if is_stateful else None,
        "relationship_id": person["relationship_id"] if is_stateful else None,
        "personality_id": person["personality_id"],
        "inferred_emotional_state": _emotion(random) if has_answer else None,
        "memory": _memory(random) if is_stateful else None,
        "guardrails": {
            "applied": [random.choice(_GUARDRAILS)] if status == "guardrail_blocked" else []
        },
        "usage": {
            "turns_consumed": int(has_answer),
            "llm_provider": _MODELS[name].provider,
            "llm_model": name,
            "input_tokens": int(random.lognormvariate(6.6, 0.7)),
            "output_tokens": int(random.lognormvariate(4.6, 0.7)) if has_answer else 0,
        },
        **_timing(_MODELS[name], status, random),
        "error_code": _error_code(status, random),
    }


def _timing(model: _Model, status: str, random: Random) -> dict[str, int | None]:
    if status == "timed_out":
        return {"latency_ms": TIMED_OUT_MS + random.randrange(50), "time_to_first_token_ms": None}
    first = int(model.first_token_ms * random.lognormvariate(0, 0.3))
    if status == "failed":
        return {"latency_ms": first, "time_to_first_token_ms": None}
    rest = int((model.median_ms - model.first_token_ms) * random.lognormvariate(0, 0.45))
    return {"latency_ms": first + rest, "time_to_first_token_ms": first}


def _error_code(status: str, random: Random) -> str | None:
    if status == "timed_out":
        return "provider_timeout"
    return random.choice(_ERRORS) if status == "failed" else None


def _emotion(random: Random) -> Mapping[str, Any]:
    name = random.choices(list(_EMOTIONS), [one.weight for one in _EMOTIONS.values()])[0]
    emotion = _EMOTIONS[name]
    companions = [other for other in emotion.companions if random.random() < 0.4]
    return {
        "primary": name,
        "confidence": round(random.uniform(0.45, 0.99), 2),
        "secondary": companions,
        "intensity": random.choice(("low", "medium", "medium", "high")),
        "valence": _near(emotion.valence, random),
        "arousal": _near(emotion.arousal, random),
    }


def _memory(random: Random) -> Mapping[str, Any]:
    is_consulted = random.random() < 0.8
    return {
        "consulted": is_consulted,
        "summary_used": f"sum_{random.randrange(1, 40)}" if is_consulted else None,
        "significant_moments_referenced": _pick(_MOMENTS, random) if is_consulted else 0,
        "model_updated": random.random() < 0.35,
    }


def _near(value: float, random: Random) -> float:
    return round(min(1.0, max(-1.0, random.gauss(value, 0.12))), 2)


def _pick(weights: Mapping[T, float], random: Random) -> T:
    return random.choices(list(weights), list(weights.values()))[0]
