"""Rows of an account, as recordings would have left them, made fast enough for a million."""

from collections.abc import Iterator
from functools import cache
from itertools import cycle
from random import Random
from typing import Any

from ulid import ULID

from app.http import validation
from app.http.instants import format_ms
from app.interactions.ids import TurnKeys
from app.interactions.model import TurnTrace
from app.interactions.schemas import TurnSchema
from devkit.demo_history import past_turns
from tests.servers import ID_KEY
from tests.turns import DAY_MS, now_ms

Row = dict[str, Any]
KEY_ID = f"key_{ULID()}"
# So many different contents are used again and again, each time as another turn.
CONTENTS_COUNT = 5_000


def rows(account: str, first_ms: int, days_count: int, count: int) -> Iterator[Row]:
    """Yield `count` open turns, evenly spread over `days_count` days from `first_ms` on.

    The same arguments give the same turns.
    """
    # Repeatable on purpose, and nothing here is a secret.
    random, keys = Random(count), TurnKeys(ID_KEY)  # noqa: S311
    contents = _contents()
    step_ms = days_count * DAY_MS / count
    for number in range(count):
        ulid = keys.ulid(account, f"bench-{number}", first_ms + int(number * step_ms))
        yield TurnTrace(ulid, random.choice(contents)).document(
            account,
            "2026-11-23",
            recorded_at_us=(first_ms + int(number * step_ms)) * 1_000,
            relationship_counted=False,
            charged=0,
            uncharged=0,
            key_id=KEY_ID,
        )


@cache
def _contents() -> list[Row]:
    made = past_turns("enterprise", CONTENTS_COUNT, now_ms=200 * DAY_MS)
    contents = [validation.load(TurnSchema(), body) for body in made]
    for content in contents:
        del content["turn_id"], content["occurred_at"]
    return contents


def bodies(count: int) -> Iterator[Row]:
    """Yield as many recordings of new turns that occurred just now."""
    run, occurred_at = ULID(), format_ms(now_ms())
    made = cycle(list(past_turns("enterprise", CONTENTS_COUNT, now_ms=200 * DAY_MS)))
    for number, content in zip(range(count), made, strict=False):
        yield {**content, "turn_id": f"bench-{run}-{number}", "occurred_at": occurred_at}
