"""A random load of one account: turns of many days, open reservations and refusals."""

from random import Random
from typing import Any

from app.http.instants import format_ms
from tests.background import flush_background
from tests.callers import Caller, reserve
from tests.turns import DAY_MS, Body, body, now_ms, reservation, stateful

STATUSES = ("completed", "completed", "completed", "guardrail_blocked", "failed", "timed_out")
MODELS = (("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("mistral", "mistral-large"))
EMOTIONS = ("joy", "anger", "trust")
DAYS_AGO = (1, 2, 6, 7, 15, 29, 30, 44)


def random_turn(random: Random, days_ago: int) -> Body:
    """Return a turn of a random moment before now, on a day so many days ago."""
    made = stateful if random.random() < 0.5 else body
    provider, model = random.choice(MODELS)
    usage: dict[str, Any] = {"llm_provider": provider, "llm_model": model}
    if random.random() < 0.8:
        usage |= {
            "input_tokens": random.randrange(5_000),
            "output_tokens": random.randrange(900),
        }
    turn = made(
        occurred_at=format_ms(now_ms() - days_ago * DAY_MS - random.randrange(1_000)),
        status=random.choice(STATUSES),
        personality_id=f"pers_{random.randrange(4)}",
        latency_ms=random.randrange(40, 9_000),
        usage=usage,
    )
    if random.random() < 0.6:
        primary = random.choice(EMOTIONS)
        turn["inferred_emotional_state"] = {"primary": primary, "confidence": 0.5}
    if turn["mode"] == "stateful":
        turn |= {"relationship_id": f"rel_{random.randrange(9)}"}
    return turn


def load(caller: Caller, seed: int) -> None:
    """Import old turns, record new ones, hold some, and have some requests refused."""
    random = Random(seed)  # noqa: S311 - no secret
    caller.import_([random_turn(random, random.choice(DAYS_AGO)) for _ in range(60)])
    answer = caller.record_batch([random_turn(random, 0) for _ in range(random.randrange(20, 40))])
    assert answer.status_code in (200, 201, 207), answer.text
    for _ in range(random.randrange(2, 6)):
        assert reserve(caller, reservation()).status_code == 201
    flush_background(caller.app)
