"""`GET /v1/interactions`: its items, their order, and the queries that it refuses."""

import pytest

from app.http.instants import format_ms
from tests.api.conftest import NewCaller
from tests.callers import Caller, Clock, error_of
from tests.turns import DAY_MS, HOUR_MS, at, body, now_ms, stateful, whole

NOON_MS = now_ms() // DAY_MS * DAY_MS - 10 * DAY_MS + DAY_MS // 2
DAY = format_ms(NOON_MS)[:10]


def turn_instants(caller: Caller, **query: str) -> list[str]:
    return [item["created_at"] for item in caller.page(limit=100, **query)["data"]]


def test_an_item_shows_the_recorded_content_and_nothing_else(caller: Caller) -> None:
    payload = whole()
    made = caller.record(payload).get_json()

    page = caller.page()

    assert page == {"data": [made], "next_cursor": None}
    expected = payload | {"created_at": payload["occurred_at"]}
    expected["usage"] = expected["usage"] | {"active_relationship_counted": True}
    for hidden in ("turn_id", "occurred_at"):
        del expected[hidden]
    assert {name: made[name] for name in made if name != "interaction_id"} == expected
    assert made["interaction_id"].startswith("int_")


def test_the_fields_of_an_item_are_in_the_contracts_order(caller: Caller) -> None:
    made = caller.record(body()).get_json()

    assert list(made) == [
        "interaction_id",
        "created_at",
        "mode",
        "status",
        "user_id",
        "relationship_id",
        "personality_id",
        "inferred_emotional_state",
        "memory",
        "guardrails",
        "usage",
        "latency_ms",
        "time_to_first_token_ms",
        "error_code",
    ]


def test_no_match_is_an_empty_page(caller: Caller) -> None:
    caller.record(body())

    answer = caller.list_(user_id="nobody")

    assert answer.status_code == 200
    assert answer.data == b'{"data":[],"next_cursor":null}'
    assert answer.content_type == "application/json"


def test_turns_come_newest_first_by_when_they_occurred(caller: Caller) -> None:
    instants = [NOON_MS + offset for offset in (5, 1, 3, 2, 4)]
    caller.import_(at(instant) for instant in instants)

    assert turn_instants(caller) == [format_ms(ms) for ms in sorted(instants, reverse=True)]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"user_id": "u_1"}, {"a", "b"}),
        ({"relationship_id": "r_1"}, {"a", "c"}),
        ({"user_id": "u_1", "relationship_id": "r_1"}, {"a"}),
        ({"user_id": "u_2", "relationship_id": "r_2"}, set()),
        ({"user_id": "u_"}, set()),
        ({"user_id": "U_1"}, set()),
    ],
)
def test_filters_match_exactly_and_are_combined_with_and(
    caller: Caller, query: dict[str, str], shown: set[str]
) -> None:
    people = {"a": ("r_1", "u_1"), "b": ("r_2", "u_1"), "c": ("r_1", "u_2")}
    caller.import_(
        stateful(relationship, user, personality_id=name)
        for name, (relationship, user) in people.items()
    )

    assert {item["personality_id"] for item in caller.page(**query)["data"]} == shown


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"from": format_ms(NOON_MS)}, [1, 0]),
        ({"to": format_ms(NOON_MS)}, [-1]),
        ({"from": format_ms(NOON_MS), "to": format_ms(NOON_MS + 1)}, [0]),
        # Fractions of a millisecond are rounded up: the range stays half-open to the nanosecond.
        ({"from": f"{DAY}T12:00:00.000000001Z"}, [1]),
        ({"to": f"{DAY}T12:00:00.000000001Z"}, [0, -1]),
        ({"from": f"{DAY}T11:59:59.999000001Z", "to": f"{DAY}T12:00:00.000001Z"}, [0]),
        # The same instant in other notations.
        ({"from": f"{DAY}T12:00Z"}, [1, 0]),
        ({"from": f"{DAY}t12:00:00z"}, [1, 0]),
        ({"from": f"{DAY}T14:00:00.000+02:00"}, [1, 0]),
        ({"to": f"{DAY}T06:30:00-05:30"}, [-1]),
        ({"from": DAY}, [1, 0, -1]),
        ({"to": DAY}, []),
    ],
)
def test_from_is_inclusive_and_to_exclusive_to_the_millisecond(
    caller: Caller, query: dict[str, str], shown: list[int]
) -> None:
    caller.import_(at(NOON_MS + offset) for offset in (-1, 0, 1))

    assert turn_instants(caller, **query) == [format_ms(NOON_MS + offset) for offset in shown]


@pytest.mark.parametrize(
    "text",
    [
        f"{DAY}T12:00:00",
        f"{DAY} 12:00:00Z",
        f"{DAY}T12:00:00+0200",
        f"{DAY}T24:00:00Z",
        f"{DAY}T12:00:60Z",
        f"{DAY}T12:00:00.Z",
        f"{DAY}T12:00:00.0000000000Z",
        "2026-02-30",
        "2026-13-01",
        "2026-1-1",
        "20261123",
        "0000-01-01",
        "2026-W01-1",
        "now",
        "1763892000000",
        "\u0662\u0660\u0662\u0666-11-23",
        f"{DAY}T12:00:00Z\n",
        f"{DAY}T12:00:00+25:00",
    ],
)
@pytest.mark.parametrize("name", ["from", "to"])
def test_a_malformed_instant_is_a_400(caller: Caller, name: str, text: str) -> None:
    answer = caller.list_(**{name: text})

    assert answer.status_code == 400
    (field_error,) = error_of(answer)["details"]
    assert (field_error["field"], field_error["code"]) == (name, "invalid_instant")


@pytest.mark.parametrize("offset_ms", [0, 1, DAY_MS])
def test_from_at_or_after_to_is_a_400(caller: Caller, offset_ms: int) -> None:
    answer = caller.list_(from_=format_ms(NOON_MS + offset_ms), to=format_ms(NOON_MS))

    assert answer.status_code == 400
    assert [field_error["field"] for field_error in error_of(answer)["details"]] == ["from"]


def test_equal_instants_in_different_zones_are_an_empty_range_and_a_400(caller: Caller) -> None:
    answer = caller.list_(from_=f"{DAY}T14:00:00+02:00", to=f"{DAY}T12:00:00Z")

    assert answer.status_code == 400


def test_exactly_the_last_180_days_are_shown_although_older_turns_are_stored(
    caller: Caller, clock: Clock
) -> None:
    edge_ms = clock.now_ms - 180 * DAY_MS
    assert caller.import_(at(edge_ms + offset) for offset in (-DAY_MS, -1, 0, 1)) == 4
    long_ago = {"from": format_ms(edge_ms - 90 * DAY_MS)}

    shown = [format_ms(edge_ms + 1), format_ms(edge_ms)]
    assert turn_instants(caller) == turn_instants(caller, **long_ago) == shown
    assert turn_instants(caller, to=format_ms(edge_ms)) == []
    assert turn_instants(caller, **long_ago, to=format_ms(edge_ms)) == []
    clock.move(ms=1)
    assert turn_instants(caller, **long_ago) == shown[:1]
    assert caller.rows_count() == 4


def test_a_turn_of_the_near_future_is_shown_too(caller: Caller) -> None:
    caller.record(at(now_ms() + HOUR_MS // 15))

    assert len(caller.page()["data"]) == 1


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("colour=red", "colour", "unknown"),
        ("User_id=u", "User_id", "unknown"),
        ("from_ms=1", "from_ms", "unknown"),
        ("offset=5", "offset", "unknown"),
        ("group_by=day", "group_by", "unknown"),
        ("limit[]=5", "limit[]", "unknown"),
        ("=5", "query", "unknown"),
        ("user_id=a&user_id=b", "user_id", "repeated"),
        ("user_id=a&user_id=a", "user_id", "repeated"),
        ("limit=5&limit=5", "limit", "repeated"),
        ("colour=red&colour=red", "colour", "repeated"),
        ("user_id=", "user_id", "empty"),
        ("user_id", "user_id", "empty"),
        ("cursor=", "cursor", "empty"),
        ("from=", "from", "empty"),
        ("limit=", "limit", "empty"),
        ("user_id=two%20words", "user_id", "pattern"),
        ("user_id=a%0A", "user_id", "pattern"),
        ("user_id=%00", "user_id", "pattern"),
        ("user_id=%24ne", "user_id", "pattern"),
        ("user_id=%C3%A9", "user_id", "pattern"),
        ("user_id=%FF%FE", "user_id", "pattern"),
        (f"user_id={'a' * 129}", "user_id", "pattern"),
        ("relationship_id=%7B%7D", "relationship_id", "pattern"),
    ],
)
def test_a_bad_parameter_is_a_400_that_names_it(
    caller: Caller, query: str, field: str, code: str
) -> None:
    answer = caller("GET", f"/v1/interactions?{query}")

    assert answer.status_code == 400
    turns = [
        (field_error["field"], field_error["code"]) for field_error in error_of(answer)["details"]
    ]
    assert turns == [(field, code)]


def test_all_field_errors_of_a_query_are_reported_at_once(caller: Caller) -> None:
    answer = caller.list_(limit="0", from_="yesterday", user_id="a b", colour="red")

    turns = {field_error["field"] for field_error in error_of(answer)["details"]}
    assert (answer.status_code, turns) == (400, {"limit", "from", "user_id", "colour"})


@pytest.mark.parametrize(
    "limit", ["0", "-1", "101", "1000000000000", "1.0", "1e1", "+5", " 5", "\u0665", "0x5", "true"]
)
def test_a_limit_outside_its_bounds_is_a_400_that_names_them(caller: Caller, limit: str) -> None:
    answer = caller.list_(limit=limit)

    error = error_of(answer)
    assert answer.status_code == 400
    assert "between 1 and 100" in error["message"]
    assert [field_error["field"] for field_error in error["details"]] == ["limit"]
    assert error["details"][0]["allowed"] == {"min": 1, "max": 100}


@pytest.mark.parametrize(("query", "count"), [({"limit": 1}, 1), ({"limit": 100}, 100), ({}, 20)])
def test_a_page_holds_up_to_the_limit_and_twenty_by_default(
    caller: Caller, query: dict[str, int], count: int
) -> None:
    caller.import_(at(NOON_MS) for _ in range(101))

    page = caller.page(**query)

    assert len(page["data"]) == count
    assert page["next_cursor"] is not None


def test_a_page_with_the_last_turn_has_no_cursor(caller: Caller) -> None:
    caller.import_(at(NOON_MS) for _ in range(7))

    assert caller.page(limit=7)["next_cursor"] is None


def test_the_headers_of_a_list_are_those_of_the_contract(tenant: NewCaller) -> None:
    answer = tenant("pro").list_()

    assert answer.status_code == 200
    assert answer.headers["X-RateLimit-Limit"] == "25"
    assert answer.headers["X-RateLimit-Remaining"] == "49"
    assert {"X-Request-Id", "X-RateLimit-Reset"} <= set(answer.headers.keys())
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_instants_outside_the_years_1_to_9999_are_accepted(caller: Caller, edge: str) -> None:
    assert caller.record(body()).status_code == 201
    is_early = edge.startswith("0001")

    assert len(caller.list_all(from_=edge)) == is_early
    assert len(caller.list_all(to=edge)) == (not is_early)
