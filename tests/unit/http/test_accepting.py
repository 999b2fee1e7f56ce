"""Valid data is accepted without marshmallow's loop, with the same result; other data is not."""

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from app.accounts.schemas import NewApiKeySchema
from app.http.fields import StrictSchema
from app.interactions.query_schemas import ListQuerySchema
from app.interactions.schemas import BatchSchema, TurnSchema
from app.reservations.schemas import CompletionSchema, ReservationSchema
from app.usage.schemas import AggregatesQuerySchema, TurnsQuerySchema
from tests.turns import body, reservation, whole

RANGE = {"from": "2026-11-01", "to": "2026-11-02T10:00:00Z"}
PEOPLE = {"user_id": "u_42", "relationship_id": "rel_42"}
SEARCHED = {"status": "failed", "mode": "stateful", "llm_model": "gpt-4o", "turn_id": "t-1"}
COMPLETION = {name: value for name, value in whole().items() if name != "occurred_at"}
BODIES: list[tuple[StrictSchema, dict[str, Any]]] = [
    (TurnSchema(), body()),
    (TurnSchema(), whole()),
    (CompletionSchema(), COMPLETION),
    (ReservationSchema(), reservation(relationship_id="rel_42", hold_seconds=60)),
    (BatchSchema(), {"interactions": [body(), 5, None]}),
    (NewApiKeySchema(), {"scope": "read", "label": "ci", "expires_in_days": 7}),
]
QUERIES: list[tuple[StrictSchema, dict[str, Any]]] = [
    (ListQuerySchema(), RANGE | PEOPLE | SEARCHED | {"limit": "7", "cursor": "abc"}),
    (AggregatesQuerySchema(), RANGE | {"group_by": "day"}),
    (TurnsQuerySchema(), RANGE | {"group_by": "week"}),
]
GOOD = [*BODIES, *QUERIES]
VALUES = (
    *(
        "",
        "a b",
        "stateful",
        "stateless",
        "failed",
        "joy",
        "u_1",
        "x" * 128,
        "x" * 200,
        "7",
        "day",
        "a\n",
    ),
    *("2026-11-02T10:00:00Z", "2026-10-01", "2026-11-02T10:00:00", "1e3"),
)
ODD = (
    *(
        None,
        True,
        0,
        1,
        -1,
        5_000,
        0.5,
        1.0,
        2.0,
        1840.5,
        2**60,
        float("nan"),
        [],
        ["joy"],
        ["joy"] * 40,
    ),
    *({}, {"applied": []}, {"consulted": True}),
)
MISSING = object()


def paths_in(payload: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the path of each field, and of an unknown field in each object."""
    if not isinstance(payload, dict):
        return [path]
    inner = [each for name, value in payload.items() for each in paths_in(value, (*path, name))]
    return [*([path] if path else []), *inner, (*path, "message")]


def changed(payload: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a copy with `value` at the path, or without the field if `value` is MISSING."""
    result = copy.deepcopy(payload)
    around = result
    for name in path[:-1]:
        around = around.get(name)  # type: ignore[assignment]
        if not isinstance(around, dict):
            return result
    if value is MISSING:
        around.pop(path[-1], None)
    else:
        around[path[-1]] = value
    return result


def judged(judge: Any, payload: Any) -> Any:
    try:
        # As text, since 1, 1.0 and True are equal, and since the order of fields is shown.
        return orjson.dumps(judge(payload))
    except ValidationError:
        return "refused"


@pytest.mark.parametrize(("schema", "payload"), GOOD)
def test_valid_data_is_accepted(schema: StrictSchema, payload: dict[str, Any]) -> None:
    assert judged(schema.accept, payload) == judged(schema.load, payload) != "refused"


@pytest.mark.slow  # seconds of work
@settings(max_examples=300)
@given(st.data())
def test_accepting_and_loading_agree_on_every_change(data: st.DataObject) -> None:
    assert_agreed(data)


@pytest.mark.long
@settings(max_examples=5_000)
@given(st.data())
def test_accepting_and_loading_agree_on_many_changes(data: st.DataObject) -> None:
    assert_agreed(data)


def assert_agreed(data: st.DataObject) -> None:
    # A query has nothing but strings.
    good, values = data.draw(st.sampled_from([(BODIES, (*VALUES, *ODD)), (QUERIES, VALUES)]))
    schema, payload = data.draw(st.sampled_from(good))
    for _ in range(data.draw(st.integers(1, 4))):
        each = data.draw(st.sampled_from(paths_in(payload)))
        payload = changed(payload, each, data.draw(st.sampled_from([MISSING, *values])))

    assert judged(schema.accept, payload) == judged(schema.load, payload)


@pytest.mark.parametrize("payload", [None, [], "text", 5, [{}]])
def test_a_value_other_than_an_object_is_not_accepted(payload: Any) -> None:
    assert {judged(schema.accept, payload) for schema, _ in GOOD} == {"refused"}
