"""Rows of another release over the API: missing fields are null, and no answer is a 500."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId, Regex
from flask import Flask
from marshmallow import fields

from app.backends.backend import Backend
from app.http.application import provided
from app.http.fields import Part
from app.interactions.answer_schemas import ItemUsageSchema
from app.interactions.model import CONTENT, PARTS
from app.interactions.schemas import ContentSchema
from tests.callers import Caller, Clock, new_caller, reconcile
from tests.contract.usage.odd_rows import COUNTED, SET_ASIDE, Change, with_, without
from tests.turns import Body, at, row, whole

Row = dict[str, Any]
# Only the real database keeps values of these types.
TYPED: Mapping[str, Change] = {
    "a decimal": with_(latency_ms=Decimal128("12.5"), charged=Decimal128("1")),
    "a long": with_(latency_ms=Int64(12)),
    "bytes": with_(error_code=b"late"),
    "an expression": with_(personality_id=Regex("a.*")),
    "an id in a part": with_(usage={"turns_consumed": ObjectId()}),
}
LISTED = COUNTED | {
    name: change for name, change in SET_ASIDE.items() if "account" not in name and "id" not in name
}


@pytest.fixture
def caller(app: Flask) -> Caller:
    return new_caller(app, requests_per_second=1_000, burst=2_000)


def store(caller: Caller, turn: Body, change: Change) -> Row:
    """Store a changed row of the account's current period, without the validator."""
    good = row(caller.account, turn) | {"quota_period": caller.quota_period, "charged": 1}
    changed = change(good)
    with caller.app.app_context():
        rows = provided(Backend).database["interactions"]
    rows.insert_one(copy.deepcopy(changed), bypass_document_validation=True)
    return changed


def answers(caller: Caller, found: Row) -> Iterator[int]:
    """Yield the status of every answer that reads the row."""
    query = {"user_id": "u_42", "relationship_id": "rel_42"}
    yield caller.list_().status_code
    yield caller.list_(limit=1).status_code
    yield caller.list_(**query).status_code
    yield caller("GET", f"/v1/interactions/int_{found['_id']}").status_code
    for path in ("/v1/interactions/aggregates", "/v1/usage/turns"):
        yield caller("GET", path).status_code
    yield caller("GET", "/v1/interactions/aggregates", query_string=query).status_code
    yield caller("GET", "/v1/usage/active-relationships").status_code


@pytest.mark.parametrize("change", LISTED.values(), ids=LISTED.keys())
def test_no_answer_is_a_500_and_missing_fields_are_null(caller: Caller, change: Change) -> None:
    clock = Clock(caller.app)
    found = store(caller, whole(occurred_at=at(clock.now_ms)["occurred_at"]), change)

    assert set(answers(caller, found)) == {200}

    item = caller("GET", f"/v1/interactions/int_{found['_id']}").get_json()
    assert list(item) == ["interaction_id", "created_at", *CONTENT]
    assert {name for name in CONTENT if item[name] is not None} <= set(found)
    for name, parts in PARTS.items():
        assert item[name] is None or list(item[name]) == list(parts)
    assert [each["interaction_id"] for each in caller.list_all()] == [item["interaction_id"]]


def test_odd_rows_are_listed_counted_and_reconciled(app: Flask) -> None:
    caller, clock = new_caller(app, requests_per_second=1_000, burst=2_000), Clock(app)
    good = [whole(occurred_at=at(clock.now_ms)["occurred_at"]) for _ in range(3)]
    assert caller.record(good[0]).status_code == 201
    for change in LISTED.values():
        store(caller, whole(occurred_at=at(clock.now_ms)["occurred_at"]), change)

    assert len(caller.list_all(limit=7)) == 1 + len(LISTED)
    reconcile(app)
    assert caller.record(good[1]).status_code == 201
    with app.app_context():
        provided(Backend).redis.flushall()
    assert caller.record(good[2]).status_code == 201
    used = caller("GET", "/v1/usage/turns").get_json()["quota"]["turns_used"]
    uncounted = sum(name in {"no period", "no charge", "a charge that is none"} for name in LISTED)
    assert used == 3 + len(LISTED) - uncounted


@pytest.mark.parametrize("change", TYPED.values(), ids=TYPED.keys())
def test_types_that_json_does_not_have_are_null(live_app: Flask, change: Change) -> None:
    caller, clock = new_caller(live_app, requests_per_second=1_000, burst=2_000), Clock(live_app)
    found = store(caller, whole(occurred_at=at(clock.now_ms)["occurred_at"]), change)

    assert set(answers(caller, found)) == {200}
    (typed,) = [live_app.test_cli_runner().invoke(args=["archive", "run", "--json"])]
    assert typed.exit_code == 0, typed.output
    assert set(answers(caller, found)) == {200}


def test_the_same_turn_as_a_row_that_lacks_fields_is_found_not_refused(app: Flask) -> None:
    caller, clock = new_caller(app), Clock(app)
    turn = whole(occurred_at=at(clock.now_ms)["occurred_at"])
    store(caller, turn, without("error_code", "guardrails", "recorded_at"))

    again = caller.record(turn)
    other = caller.record(turn | {"latency_ms": 1})

    assert (again.status_code, other.status_code) == (200, 409)
    assert again.get_json()["error_code"] is None


def test_the_parts_of_an_item_are_those_of_its_schema() -> None:
    schema = ContentSchema()
    schema.fields["usage"] = Part(ItemUsageSchema)
    parts: dict[str, set[str]] = {
        name: set(field.schema.fields)
        for name, field in schema.fields.items()
        if isinstance(field, fields.Nested)
    }
    assert parts == {name: set(names) for name, names in PARTS.items()}
    assert set(CONTENT) == set(schema.fields)
