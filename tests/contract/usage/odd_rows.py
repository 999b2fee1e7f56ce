"""Rows as another release, a restored dump or a shell may leave them: good ones and odd ones."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo.database import Database

from tests.turns import Body, row

Row = dict[str, Any]
Change = Callable[[Row], Row]


def without(*names: str) -> Change:
    """Leave out fields."""
    return lambda found: {name: value for name, value in found.items() if name not in names}


def with_(**changes: Any) -> Change:
    """Set fields."""
    return lambda found: found | changes


def of_usage(**changes: Any) -> Change:
    """Set parts of `usage`."""
    return lambda found: found | {"usage": found["usage"] | changes}


# Missing values count as 0.
COUNTED: Mapping[str, Change] = {
    "no usage": without("usage"),
    "an empty usage": with_(usage={}),
    "a usage that is none": with_(usage="much"),
    "tokens that are no number": of_usage(input_tokens="many"),
    "tokens that are nothing": of_usage(output_tokens=float("nan")),
    "a provider that is a number": of_usage(llm_provider=7),
    "a model that is a list": of_usage(llm_model=["gpt-4o"]),
    "no personality": without("personality_id"),
    "a personality that is a text": with_(personality_id="Two words\nand a \0"),
    "a personality that is an object": with_(personality_id={"name": "ada"}),
    "no emotions": without("inferred_emotional_state"),
    "emotions that are none": with_(inferred_emotional_state=["joy"]),
    "no mode": without("mode"),
    "a mode that is a number": with_(mode=1),
    "an API key that is a list": with_(key_id=["key_1"]),
    "no people": without("user_id", "relationship_id"),
    "no instant of recording": without("recorded_at"),
    "an instant of recording that is none": with_(recorded_at="today"),
    "no period": without("quota_period"),
    "no charge": without("charged"),
    "a charge that is none": with_(charged="one"),
    "a field of an older release": with_(flavour="sweet"),
    "a latency with a fraction": with_(latency_ms=12.0),
}
# Without these no number could be right.
SET_ASIDE: Mapping[str, Change] = {
    "no status": without("status"),
    "a status of another release": with_(status="cancelled"),
    "a status that is a list": with_(status=["completed"]),
    "no latency": without("latency_ms"),
    "a latency that is a text": with_(latency_ms="fast"),
    "a latency that is nothing": with_(latency_ms=None),
    "a latency that is no number": with_(latency_ms=float("nan")),
    "a latency that is negative": with_(latency_ms=-1),
    "a latency that is a list": with_(latency_ms=[5]),
    "a day of no calendar": with_(day="2026-02-31"),
    "a day beyond the calendar": with_(day="9999-12-31"),
    "a day that is a text": with_(day="yesterday"),
    "a day of a week": with_(day="2026-W47-1"),
    "a day that is a list": with_(day=["2026-11-20"]),
    "a day that is a number": with_(day=20261120),
    "no day": without("day"),
    "no account": without("account"),
    "an account that is a number": with_(account=7),
    "neither open nor expiring": without("open"),
    "open as a text": with_(open="yes"),
    "open as nothing": with_(open=None),
    "open as no number": with_(open=float("nan")),
    "open beyond every fence": with_(open=2**60),
    "open beyond every fence of a day": with_(open=1_000_000_000),
    "an id of MongoDB's own and no day": lambda found: without("day")(found | {"_id": ObjectId()}),
    "an id that is a text and no day": lambda found: without("day")(
        found | {"_id": f"mine-{found['_id']}"}
    ),
}
LAST_EXPIRY = datetime(2100, 1, 1, tzinfo=UTC)


def put(database: Database[Row], account: str, turn: Body, change: Change) -> Row:
    """Store a changed row past the validator, if the database has one."""
    changed = change(row(account, turn))
    options = {"bypass_document_validation": True}
    database["interactions"].insert_one(changed, **options)
    return changed
