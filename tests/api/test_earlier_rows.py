"""Rows of an earlier release: listed, found, counted and archived.

They have names that are refused today, and lack the fields that this release has added.
"""

from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from app.backends.backend import Backend
from app.http.application import provided
from app.interactions.answer_schemas import ItemSchema
from app.interactions.store import InteractionStore
from app.interactions.validator import row_validator
from tests.callers import LIST, Caller, new_caller
from tests.turns import body, row, stateful, whole

ADDED = ("uncharged", "key_id")
ALLOWED_BEFORE: dict[str, Any] = {
    "personality_id": "ada@home",
    "usage": {"llm_provider": "open@ai", "llm_model": "claude-3-5-sonnet@20240620"},
    "memory": {"summary_used": "sum@3"},
    "guardrails": {"applied": ["tone_softened"] * 32},
}


@pytest.fixture
def earlier(live_app: Flask, live_database: Database[dict[str, Any]]) -> tuple[Caller, list[str]]:
    """A caller and the ids of its turns that today's validator refuses, newest last."""
    caller = new_caller(live_app)
    found = [row(caller.account, whole(user_id="zoe@home")) for _ in range(2)]
    for each in found:
        for name, value in ALLOWED_BEFORE.items():
            each[name] = each[name] | value if isinstance(value, dict) else value
        for name in ADDED:
            del each[name]
    rows = live_database["interactions"]
    rows.insert_many(found, bypass_document_validation=True)
    assert rows.count_documents({"$nor": [row_validator()]}) == 2
    return caller, sorted(f"int_{each['_id']}" for each in found)


def test_an_earlier_row_is_listed_found_and_shown_unchanged(
    earlier: tuple[Caller, list[str]],
) -> None:
    caller, ids = earlier

    for query in ({}, {"user_id": "zoe@home"}, {"relationship_id": "rel_42"}):
        items = caller.list_all(limit=1, **query)
        assert sorted(item["interaction_id"] for item in items) == ids
    item = caller("GET", f"{LIST}/{ids[0]}").get_json()
    assert item["personality_id"] == "ada@home"
    assert item["usage"]["llm_model"] == "claude-3-5-sonnet@20240620"
    assert item["memory"]["summary_used"] == "sum@3"
    assert len(item["guardrails"]["applied"]) == 32


def test_an_earlier_row_counts_beside_new_ones_and_as_no_uncharged_turn(
    live_app: Flask, live_database: Database[dict[str, Any]], earlier: tuple[Caller, list[str]]
) -> None:
    """Count a row with `charged` 0 as nothing: it may be an import as well as an uncharged turn."""
    caller, ids = earlier
    rows = live_database["interactions"]
    for interaction_id, charged in zip(ids, (1, 0), strict=True):
        change = {"quota_period": caller.quota_period, "charged": charged}
        rows.update_one({"_id": interaction_id.removeprefix("int_")}, {"$set": change})

    for turn in (stateful(), body(), body(status="failed")):
        assert caller.record(turn).status_code == 201

    assert len(caller.list_all(limit=2)) == 5
    assert caller.counters()["turns_used"] == 3
    with live_app.app_context():
        store = provided(InteractionStore)
        assert store.count_turns(caller.account, caller.quota_period) == (3, 1)
        assert dict(store.count_relationships(caller.account, caller.quota_period)) == {"rel_42": 2}
        provided(Backend).redis.flushall()
    assert caller.record(body()).status_code == 201
    assert caller.counters()["turns_used"] == 4


def test_the_turn_of_an_earlier_row_is_found_and_not_stored_again(
    live_app: Flask, live_database: Database[dict[str, Any]]
) -> None:
    caller = new_caller(live_app)
    turn = whole()
    assert caller.record(turn).status_code == 201
    rows = live_database["interactions"]
    rows.update_one({}, {"$unset": dict.fromkeys(ADDED, "")}, bypass_document_validation=True)
    with live_app.app_context():
        provided(Backend).redis.flushall()

    assert [caller.record(turn | change).status_code for change in ({}, {"latency_ms": 1})] == [
        *(200, 409)
    ]
    assert caller.rows_count() == 1
    assert caller.counters()["turns_used"] == 1


def test_an_earlier_row_keeps_to_the_schema_of_answers(earlier: tuple[Caller, list[str]]) -> None:
    caller, _ = earlier
    for item in caller.list_all():
        assert ItemSchema().load(item)["personality_id"] == "ada@home"


def test_an_earlier_row_is_archived(
    live_app: Flask, live_database: Database[dict[str, Any]], earlier: tuple[Caller, list[str]]
) -> None:
    caller, ids = earlier

    ran = live_app.test_cli_runner().invoke(args=["archive", "run"])

    assert ran.exit_code == 0, ran.output
    rows = live_database["interactions"]
    assert rows.count_documents({"open": {"$exists": True}}) == 0
    assert rows.count_documents({"expires_at": {"$exists": True}}) == len(ids)
    (bucket,) = caller("GET", f"{LIST}/aggregates").get_json()["data"]
    assert (bucket["total_turns"], bucket["unique_personalities_count"]) == (2, 1)
    (days,) = live_database["usage_daily"].find({"account": caller.account})
    assert list(days["personalities"].values()) == [2]


def test_a_new_turn_must_keep_the_new_bounds(earlier: tuple[Caller, list[str]]) -> None:
    caller, _ = earlier
    assert caller.record(stateful(personality_id="ada@home")).status_code == 400
    assert caller.record(body()).status_code == 201
