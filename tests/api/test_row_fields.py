"""Fields of a stored row that no answer shows: what it counts as, and the key that recorded it."""

from typing import Any

import pytest
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from app.interactions.importing import Import, TurnImporter
from app.interactions.model import CONTENT
from app.interactions.recording import Recorder
from tests.callers import LIST, TURNS, Caller, Clock, new_caller, reconcile, reserve
from tests.turns import Body, at, body, reservation

# A turn, and what its row counts as: turns charged, turns uncharged.
COUNTS: list[tuple[Body, tuple[int, int]]] = [
    ({}, (1, 0)),
    ({"status": "guardrail_blocked"}, (1, 0)),
    ({"status": "failed"}, (0, 1)),
    ({"status": "timed_out"}, (0, 1)),
    ({"usage": {"turns_consumed": 0}}, (0, 1)),
    ({"status": "failed", "usage": {"turns_consumed": 3}}, (3, 0)),
]


@pytest.fixture
def caller(app: Flask) -> Caller:
    return new_caller(app)


def rows_of(caller: Caller) -> list[dict[str, Any]]:
    """Return the stored rows of the account, in the order in which they were recorded."""
    with caller.app.app_context():
        rows = provided(Backend).database["interactions"]
    return sorted(rows.find({"account": caller.account}), key=lambda row: row["recorded_at"])


def counts_of(row: dict[str, Any]) -> tuple[int, int]:
    return row["charged"], row["uncharged"]


def key_id_of(caller: Caller) -> str:
    key_id: str = caller("GET", "/v1/me").get_json()["key_id"]
    return key_id


@pytest.mark.parametrize("is_batch", [False, True], ids=["one by one", "in a batch"])
def test_a_turn_is_charged_or_uncharged_and_names_its_key(caller: Caller, is_batch: bool) -> None:
    turns = [body(**changes) for changes, _ in COUNTS]
    if is_batch:
        assert caller.record_batch(turns).status_code == 200
    else:
        assert {caller.record(turn).status_code for turn in turns} == {201}

    rows = rows_of(caller)
    assert [counts_of(row) for row in rows] == [counts for _, counts in COUNTS]
    assert {row["key_id"] for row in rows} == {key_id_of(caller)}


def test_each_key_of_an_account_names_itself_and_a_repeat_changes_nothing(caller: Caller) -> None:
    other = new_caller(caller.app, of=caller.organization)
    turn = body()

    answers = [each.record(turn).status_code for each in (caller, other)]
    other.record(body())

    assert answers == [201, 200]
    assert [row["key_id"] for row in rows_of(caller)] == [key_id_of(caller), key_id_of(other)]


@pytest.mark.parametrize(("status", "counts"), [("completed", (1, 0)), ("failed", (0, 1))])
def test_a_completion_is_charged_or_uncharged_and_names_the_key_that_completed(
    caller: Caller, status: str, counts: tuple[int, int]
) -> None:
    held = reservation()
    reserved = reserve(caller, held).get_json()["interaction_id"]
    other = new_caller(caller.app, of=caller.organization)
    trace = body(turn_id=held["turn_id"], status=status)
    del trace["occurred_at"]

    assert other("PUT", f"{TURNS}/{reserved}", json=trace).status_code == 201

    (row,) = rows_of(caller)
    assert (counts_of(row), row["key_id"]) == (counts, key_id_of(other))


def test_an_import_is_neither_charged_nor_uncharged_and_has_no_key(caller: Caller) -> None:
    with caller.app.app_context():
        importer, clock = provided(TurnImporter), provided(Recorder).request_clock()
        turn = importer.read(caller.account, body(status="failed"), clock)
        importer.store_many(Import(caller.account, caller.quota_period, 10**15), [turn])
    caller.import_([body(), body(status="failed")])

    assert [(*counts_of(row), row["key_id"]) for row in rows_of(caller)] == [(0, 0, None)] * 3


def test_no_answer_shows_the_counts_or_the_key(caller: Caller) -> None:
    recorded = caller.record(body()).get_json()

    shown = [recorded, *caller.page()["data"]]
    shown.append(caller("GET", f"{LIST}/{recorded['interaction_id']}").get_json())

    assert {tuple(item) for item in shown} == {("interaction_id", "created_at", *CONTENT)}


def test_uncharged_turns_and_imports_use_no_turns_in_redis_or_in_the_ledger(app: Flask) -> None:
    caller, clock = new_caller(app), Clock(app)
    for status in ("completed", "failed", "completed"):
        assert caller.record(at(clock.now_ms, status=status)).status_code == 201
    caller.import_([at(clock.now_ms, status="failed")])
    with app.app_context():
        provided(Backend).redis.flushall()

    assert caller.record(at(clock.now_ms)).status_code == 201
    assert caller.counters()["turns_used"] == 3
    reconcile(app)
    assert caller.counters()["turns_used"] == 3
