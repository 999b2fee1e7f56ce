"""`GET /v1/interactions` by status, mode, model and the producer's own id of a turn."""

from itertools import combinations
from typing import Any

import pytest

from app.backends.backend import Backend
from app.http.application import provided
from app.http.instants import format_ms
from app.tenancy.model import Environment
from tests.api.conftest import NewCaller
from tests.callers import LIST, Caller, Clock, error_of, reserve
from tests.turns import DAY_MS, Body, at, body, now_ms, reservation, stateful

AGGREGATES = "/v1/interactions/aggregates"
NAMED = {
    "a": body(personality_id="a", status="failed", usage={"llm_model": "gpt-4o"}),
    "b": stateful(personality_id="b", usage={"llm_model": "gpt-4o"}),
    "c": stateful(personality_id="c", status="failed", usage={"llm_provider": "gpt-4o"}),
    "d": stateful("rel_2", personality_id="d", usage={"llm_model": "meta/llama-3:70b"}),
}


def names(items: list[Body]) -> set[str]:
    return {item["personality_id"] for item in items}


@pytest.fixture
def history(caller: Caller) -> Caller:
    """A caller with the four turns of `NAMED`."""
    caller.import_(NAMED.values())
    return caller


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"status": "failed"}, {"a", "c"}),
        ({"status": "timed_out"}, set()),
        ({"mode": "stateless"}, {"a"}),
        ({"mode": "stateful"}, {"b", "c", "d"}),
        ({"llm_model": "gpt-4o"}, {"a", "b"}),
        ({"llm_model": "meta/llama-3:70b"}, {"d"}),
        ({"llm_model": "gpt-4"}, set()),
        ({"llm_model": "GPT-4o"}, set()),
        ({"status": "failed", "mode": "stateful"}, {"c"}),
        ({"status": "failed", "llm_model": "gpt-4o"}, {"a"}),
        ({"mode": "stateful", "relationship_id": "rel_42", "status": "completed"}, {"b"}),
        ({"user_id": "u_42", "llm_model": "gpt-4o"}, {"b"}),
        ({"status": "failed", "to": format_ms(now_ms() - DAY_MS)}, set()),
    ],
)
def test_filters_match_exactly_and_are_combined_with_and(
    history: Caller, query: dict[str, str], shown: set[str]
) -> None:
    assert (
        names(history.page(**query)["data"]) == names(history.list_all(**query, limit=1)) == shown
    )


@pytest.mark.parametrize("name", NAMED)
def test_a_turn_is_found_by_its_own_id(history: Caller, name: str) -> None:
    turn_id = NAMED[name]["turn_id"]

    page = history.page(turn_id=turn_id)

    assert names(page["data"]) == {name}
    assert page["next_cursor"] is None
    assert "turn_id" not in page["data"][0]
    assert history.page(turn_id=turn_id, limit=1) == page


def test_a_turn_found_by_its_id_must_pass_the_other_filters(history: Caller) -> None:
    a = NAMED["a"]["turn_id"]
    from_ = format_ms(now_ms() - DAY_MS)
    same = {"status": "failed", "mode": "stateless", "llm_model": "gpt-4o", "from": from_}
    other = {"status": "completed", "mode": "stateful", "llm_model": "gpt", "to": from_}

    for count in range(len(same) + 1):
        for chosen in combinations(same, count):
            query = {name: same[name] for name in chosen}
            assert names(history.page(turn_id=a, **query)["data"]) == {"a"}
    for name, value in [*other.items(), ("user_id", "u_42"), ("relationship_id", "rel_42")]:
        assert history.page(turn_id=a, **{name: value}) == {"data": [], "next_cursor": None}


def test_a_turn_is_found_by_its_id_in_its_own_account_only(
    history: Caller, tenant: NewCaller
) -> None:
    turn_id = NAMED["a"]["turn_id"]
    strangers = [tenant(), tenant(of=history.organization, environment=Environment.TEST)]

    for stranger in strangers:
        assert stranger.page(turn_id=turn_id)["data"] == []
    assert history.page(turn_id="never-recorded")["data"] == []


def test_a_completed_reservation_is_found_by_its_turn_id(caller: Caller) -> None:
    held = reservation("held-1")
    path = f"/v1/turns/{reserve(caller, held).get_json()['interaction_id']}"
    assert caller.page(turn_id="held-1")["data"] == []
    trace = body(turn_id="held-1")
    del trace["occurred_at"]

    made = caller("PUT", path, json=trace).get_json()

    assert caller.page(turn_id="held-1")["data"] == [made]


def test_a_turn_of_more_than_180_days_ago_is_not_found_by_its_id(
    caller: Caller, clock: Clock
) -> None:
    edge_ms = clock.now_ms - 180 * DAY_MS
    caller.import_([at(edge_ms, turn_id="oldest"), at(edge_ms - 1, turn_id="older")])

    assert len(caller.page(turn_id="oldest")["data"]) == 1
    assert caller.page(turn_id="older")["data"] == []
    clock.move(ms=1)
    assert caller.page(turn_id="oldest")["data"] == []
    assert caller.rows_count() == 2


@pytest.mark.parametrize("query", [{"status": "failed"}, {"turn_id": NAMED["c"]["turn_id"]}])
def test_an_erased_turn_is_not_found(history: Caller, query: dict[str, str]) -> None:
    assert "c" in names(history.page(**query)["data"])
    with history.app.app_context():
        rows = provided(Backend).database["interactions"]
    erasure = {"user_id": None, "relationship_id": None, "erased": True}
    rows.update_one({"account": history.account, "personality_id": "c"}, {"$set": erasure})

    assert "c" not in names(history.list_all(**query))


@pytest.mark.parametrize(
    ("query", "code", "allowed"),
    [
        ({"status": "done"}, "not_allowed", "completed"),
        ({"status": "Failed"}, "not_allowed", "timed_out"),
        ({"status": "failed,completed"}, "not_allowed", "completed"),
        ({"mode": "both"}, "not_allowed", "stateless"),
        ({"llm_model": "gpt 4o"}, "pattern", "A-Za-z0-9"),
        ({"llm_model": "a@b"}, "pattern", "A-Za-z0-9"),
        ({"llm_model": "m" * 129}, "pattern", "128"),
        ({"turn_id": "two words"}, "pattern", "A-Za-z0-9"),
        ({"turn_id": "t" * 129}, "pattern", "128"),
        ({"turn_id": ""}, "empty", "empty"),
        ({"status": ""}, "empty", "empty"),
        ({"status": ["failed", "completed"]}, "repeated", "once"),
        ({"turn_id": ["a", "b"]}, "repeated", "once"),
    ],
)
def test_a_bad_value_is_a_400_with_its_name_and_what_is_allowed(
    caller: Caller, query: dict[str, Any], code: str, allowed: str
) -> None:
    answer = caller.list_(**query)

    assert answer.status_code == 400
    (field_error,) = error_of(answer)["details"]
    assert (field_error["field"], field_error["code"]) == (next(iter(query)), code)
    assert allowed in field_error["message"]


def test_a_cursor_is_refused_with_a_turn_id(history: Caller) -> None:
    cursor = history.page(limit=1)["next_cursor"]

    answer = history.list_(cursor=cursor, turn_id=NAMED["a"]["turn_id"])

    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("name", ["status", "mode", "llm_model", "turn_id"])
@pytest.mark.parametrize("path", [AGGREGATES, "/v1/usage/turns"])
def test_sums_refuse_the_filters_of_the_list(caller: Caller, path: str, name: str) -> None:
    answer = caller("GET", path, query_string={name: "failed"})

    assert answer.status_code == 400
    (field_error,) = error_of(answer)["details"]
    assert (field_error["field"], field_error["code"]) == (name, "unknown")


# On the twin thousands of turns take a minute, and prove nothing more.
@pytest.mark.parametrize(
    "backend", ["live", pytest.param("memory", marks=pytest.mark.long)], indirect=True
)
def test_a_rare_turn_is_found_across_pages_of_a_thousand_turns(caller: Caller) -> None:
    start_ms = now_ms() - DAY_MS
    rare = {0, 999, 1_000, 1_001, 2_499}
    caller.import_(
        at(start_ms + n, status="timed_out" if n in rare else "completed") for n in range(2_500)
    )

    for limit in (1, 20):
        items = caller.list_all(status="timed_out", limit=limit)

        assert [item["created_at"] for item in items] == [
            format_ms(start_ms + n) for n in sorted(rare, reverse=True)
        ]
    assert caller("GET", LIST, query_string={"status": "timed_out"}).status_code == 200
