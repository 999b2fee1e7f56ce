"""Erased rows: hidden from every read, still counted, and still the turn that they were.

Nothing erases yet. The tests change stored rows as an erasure will.
"""

from typing import Any

import pytest
from flask import Flask

from app.backends.backend import Backend
from app.http.application import provided
from app.http.instants import format_ms
from app.interactions.importing import Import, TurnImporter
from app.interactions.recording import Recorder
from app.interactions.service import InteractionService
from app.interactions.store import InteractionStore
from tests.api.conftest import NewCaller
from tests.callers import LIST, Caller, error_of, reconcile, reserve
from tests.turns import Body, body, now_ms, reservation, stateful, whole

ERASURE = {"$set": {"user_id": None, "relationship_id": None, "erased": True}}
AGGREGATES = "/v1/interactions/aggregates"


@pytest.fixture
def caller(tenant: NewCaller) -> Caller:
    return tenant(requests_per_second=1_000, burst=2_000)


def erase(caller: Caller, **chosen: Any) -> int:
    """Erase the account's rows that match; return their number."""
    with caller.app.app_context():
        rows = provided(Backend).database["interactions"]
    return rows.update_many({"account": caller.account, **chosen}, ERASURE).modified_count


def recorded(caller: Caller, turn: Body) -> str:
    answer = caller.record(turn)
    assert answer.status_code == 201, answer.text
    interaction_id: str = answer.get_json()["interaction_id"]
    return interaction_id


def test_an_erased_row_is_not_found_and_not_listed(caller: Caller) -> None:
    erased, kept = recorded(caller, stateful("rel_a", "u_a")), recorded(caller, stateful("rel_b"))
    assert erase(caller, relationship_id="rel_a") == 1

    answer = caller("GET", f"{LIST}/{erased}")
    unknown = caller("GET", f"{LIST}/{erased[:-1]}{'0' if erased[-1] != '0' else '1'}")

    assert (answer.status_code, error_of(answer)["code"]) == (404, error_of(unknown)["code"])
    assert [item["interaction_id"] for item in caller.list_all()] == [kept]
    for query in ({"user_id": "u_a"}, {"relationship_id": "rel_a"}):
        assert caller.list_all(**query) == []


@pytest.mark.parametrize("limit", [1, 3, 20])
def test_a_listing_shows_each_row_that_is_not_erased_once(caller: Caller, limit: int) -> None:
    at_ms = now_ms() - 60_000
    turns = [
        stateful("rel_a" if number % 5 else "rel_b", occurred_at=format_ms(at_ms + number))
        for number in range(40)
    ]
    caller.import_(turns)
    assert erase(caller, relationship_id="rel_a") == 32

    items = caller.list_all(limit=limit)

    assert [item["relationship_id"] for item in items] == ["rel_b"] * 8
    assert len({item["interaction_id"] for item in items}) == 8


def test_a_page_within_erased_rows_ends_after_three_scans(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_ms = now_ms() - 60_000
    caller.import_([stateful("rel_a", occurred_at=format_ms(at_ms + n)) for n in range(30)])
    erase(caller)
    scans = list[int]()
    scan = InteractionStore.scan

    def counted(*arguments: Any) -> list[dict[str, Any]]:
        scans.append(arguments[-1])
        return scan(*arguments)

    monkeypatch.setattr(InteractionStore, "scan", counted)
    page = caller.page(limit=4)

    assert (page["data"], scans) == ([], [5, 5, 5])
    assert page["next_cursor"]
    assert caller.list_all(limit=4) == []


def test_an_erased_turn_stays_in_totals_and_counts(caller: Caller, app: Flask) -> None:
    for turn in (stateful("rel_a", "u_a"), stateful("rel_b", "u_b"), body(status="failed")):
        recorded(caller, turn)
    before = [caller("GET", path).get_json()["data"] for path in (AGGREGATES, "/v1/usage/turns")]
    assert erase(caller, relationship_id="rel_a") == 1

    after = [caller("GET", path).get_json()["data"] for path in (AGGREGATES, "/v1/usage/turns")]
    assert after == before
    assert app.test_cli_runner().invoke(args=["archive", "run"]).exit_code == 0
    archived = [caller("GET", path).get_json()["data"] for path in (AGGREGATES, "/v1/usage/turns")]
    assert archived == before
    reconcile(app)
    assert caller.counters()["turns_used"] == 2
    with app.app_context():
        store = provided(InteractionStore)
        assert store.count_turns(caller.account, caller.quota_period) == (2, 1)


def test_sums_with_a_filter_leave_erased_turns_out(caller: Caller) -> None:
    for _ in range(2):
        recorded(caller, stateful("rel_a", "u_a"))
    recorded(caller, stateful("rel_b", "u_a"))
    erase(caller, relationship_id="rel_a")

    def total(**query: str) -> int:
        buckets = caller("GET", AGGREGATES, query_string=query).get_json()["data"]
        return sum(bucket["total_turns"] for bucket in buckets)

    assert (total(user_id="u_a"), total(relationship_id="rel_a"), total()) == (1, 0, 3)


def test_a_repeat_of_an_erased_turn_is_found_and_neither_charged_nor_stored(
    caller: Caller,
) -> None:
    turn = whole()
    first = recorded(caller, turn)
    erase(caller)
    # The script forgets a charge after minutes; then only the row knows the turn.
    for forget in (False, True):
        if forget:
            with caller.app.app_context():
                provided(Backend).redis.flushall()
        again = caller.record(turn)
        other_people = caller.record(turn | {"user_id": "u_9", "relationship_id": "rel_9"})
        other_content = caller.record(turn | {"latency_ms": 1})

        assert (again.status_code, again.get_json()["interaction_id"]) == (200, first)
        assert (again.get_json()["user_id"], again.get_json()["relationship_id"]) == (None, None)
        assert (other_people.status_code, other_content.status_code) == (200, 409)
        (result,) = caller.record_batch([turn]).get_json()["results"]
        assert result == {"status": "duplicate", "interaction_id": first}
    assert caller.rows_count() == 1
    reconcile(caller.app)
    assert caller.counters()["turns_used"] == 1


def test_an_erased_turn_can_be_neither_reserved_nor_imported_again(caller: Caller) -> None:
    turn = stateful("rel_a")
    recorded(caller, turn)
    erase(caller)
    with caller.app.app_context():
        provided(Backend).redis.flushall()
        importer = provided(TurnImporter)
        read = importer.read(caller.account, turn, provided(Recorder).request_clock())
        outcomes = importer.store_many(
            Import(caller.account, caller.quota_period, now_ms() * 1_000), [read]
        )

    assert outcomes == [False]
    assert reserve(caller, reservation(turn["turn_id"])).status_code == 409
    assert caller.counters()["turns_reserved"] == 0
    assert caller.rows_count() == 1


def test_an_erased_completion_is_found_again(caller: Caller) -> None:
    held = reservation(relationship_id="rel_a")
    path = f"/v1/turns/{reserve(caller, held).get_json()['interaction_id']}"
    trace = stateful("rel_a", turn_id=held["turn_id"])
    del trace["occurred_at"]
    assert caller("PUT", path, json=trace).status_code == 201
    erase(caller)

    assert caller("PUT", path, json=trace).status_code == 200
    assert caller("PUT", path, json=trace | {"latency_ms": 1}).status_code == 409
    assert caller("DELETE", path).status_code == 409
    assert caller.counters()["turns_used"] == 1


def test_a_row_whose_field_erased_is_not_true_is_shown(caller: Caller) -> None:
    ids = [recorded(caller, body()) for _ in range(3)]
    with caller.app.app_context():
        rows = provided(Backend).database["interactions"]
        for interaction_id, value in zip(ids, (False, 1, "yes"), strict=True):
            rows.update_one(
                {"_id": interaction_id.removeprefix("int_")},
                {"$set": {"erased": value}},
                bypass_document_validation=True,
            )
        service = provided(InteractionService)

    assert {item["interaction_id"] for item in caller.list_all()} == set(ids)
    for interaction_id in ids:
        assert service.get_(caller.account, interaction_id, now_ms() * 1_000)
