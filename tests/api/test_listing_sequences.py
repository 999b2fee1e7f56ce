"""Listings page by page: complete, and with cursors that are bound to account and filters."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from app import create_app
from app.backends.backend import Backend
from app.http.application import provided
from app.http.instants import format_ms
from app.tenancy.model import Environment, Scope
from config.settings import Settings
from tests.api.conftest import NewCaller
from tests.callers import Caller, Clock, error_of, new_caller
from tests.turns import DAY_MS, at, body, now_ms, stateful

NEW_SECRET = "another-cursor-secret-0123456789abcdef"
HOUR_S = 3_600


def ids_of(items: list[dict[str, Any]]) -> list[str]:
    return [item["interaction_id"] for item in items]


def assert_refused(caller: Caller, cursor: str, **query: Any) -> None:
    answer = caller.list_(cursor=cursor, **query)
    assert answer.status_code == 400
    assert error_of(answer)["code"] == "invalid_cursor"


@pytest.fixture
def history(caller: Caller) -> Caller:
    """A caller with ten turns, five of them in one millisecond."""
    start_ms = now_ms() - 5 * DAY_MS
    instants = [start_ms + offset for offset in (0, 1, 2, 3, 3, 3, 3, 3, 4, 5)]
    usage = {"llm_model": "gpt-4o"}
    caller.import_(stateful(occurred_at=format_ms(instant), usage=usage) for instant in instants)
    return caller


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 9, 10, 100])
def test_pages_of_any_size_show_every_turn_once_and_in_order(history: Caller, limit: int) -> None:
    everything = ids_of(history.page(limit=100)["data"])

    shown = ids_of(history.list_all(limit=limit))

    assert len(set(everything)) == 10
    assert shown == everything


def test_the_limit_may_change_between_pages(history: Caller) -> None:
    everything = ids_of(history.page()["data"])

    first = history.page(limit=2)
    second = history.page(limit=5, cursor=first["next_cursor"])
    third = history.page(cursor=second["next_cursor"])

    assert ids_of(first["data"] + second["data"] + third["data"]) == everything
    assert third["next_cursor"] is None


def test_the_same_cursor_may_be_used_again(history: Caller) -> None:
    cursor = history.page(limit=3)["next_cursor"]

    pages = [ids_of(history.page(limit=3, cursor=cursor)["data"]) for _ in range(3)]

    assert pages[0] == pages[1] == pages[2]


FILTERS = {
    "user_id": ("u_42", "u_43"),
    "relationship_id": ("rel_42", "rel_43"),
    "from": (format_ms(now_ms() - 9 * DAY_MS), format_ms(now_ms() - 8 * DAY_MS)),
    "to": (format_ms(now_ms()), format_ms(now_ms() + 1)),
    "status": ("completed", "failed"),
    "mode": ("stateful", "stateless"),
    "llm_model": ("gpt-4o", "gpt-4o-mini"),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_cursor_used_with_other_filters_is_refused(history: Caller, name: str) -> None:
    mine, others = FILTERS[name]
    bare = history.page(limit=1)["next_cursor"]
    narrowed = history.page(limit=1, **{name: mine})["next_cursor"]

    assert history.list_(cursor=narrowed, **{name: mine}).status_code == 200
    assert_refused(history, bare, **{name: mine})
    assert_refused(history, narrowed)
    assert_refused(history, narrowed, **{name: others})


def test_a_filter_may_be_written_in_another_notation(history: Caller) -> None:
    day = format_ms(now_ms() - 20 * DAY_MS)[:10]
    cursor = history.page(limit=4, from_=day)["next_cursor"]

    page = history.page(cursor=cursor, from_=f"{day}T02:00:00.000+02:00")

    assert len(page["data"]) == 6


def test_a_cursor_of_a_user_is_refused_for_a_relationship_of_the_same_name(caller: Caller) -> None:
    caller.import_(stateful("same", "same") for _ in range(3))
    cursor = caller.page(limit=1, user_id="same")["next_cursor"]

    assert_refused(caller, cursor, relationship_id="same")


def test_a_cursor_is_refused_for_another_organization_and_environment(
    history: Caller, tenant: NewCaller
) -> None:
    cursor = history.page(limit=1)["next_cursor"]

    assert_refused(tenant(), cursor)
    assert_refused(tenant(of=history.organization, environment=Environment.TEST), cursor)


def test_another_key_of_the_same_account_may_continue_a_listing(
    history: Caller, tenant: NewCaller
) -> None:
    cursor = history.page(limit=4)["next_cursor"]

    page = tenant(of=history.organization, scope=Scope.READ).page(cursor=cursor)

    assert len(page["data"]) == 6


@pytest.mark.parametrize("headers", [{"Authorization": ""}, {"Authorization": "Bearer {cursor}"}])
def test_a_cursor_is_no_credential(history: Caller, headers: dict[str, str]) -> None:
    cursor = history.page(limit=1)["next_cursor"]
    shown = {name: value.format(cursor=cursor) for name, value in headers.items()}

    answer = history("GET", f"/v1/interactions?cursor={cursor}", headers=shown)

    assert answer.status_code == 401


def test_a_cursor_is_valid_for_24_hours_and_each_page_has_a_new_one(
    history: Caller, clock: Clock
) -> None:
    history.page()  # loads the counters, which takes a microsecond of the stopped clock
    clock.move(us=2)
    first = history.page(limit=2)["next_cursor"]
    clock.move(s=24 * HOUR_S)
    second = history.page(limit=2, cursor=first)["next_cursor"]
    clock.move(us=1)
    assert_refused(history, first)
    clock.move(s=24 * HOUR_S - 1)

    assert len(history.page(cursor=second)["data"]) == 6


def test_a_cursor_survives_a_restart_and_the_rotation_of_its_secret(
    history: Caller, app: Flask
) -> None:
    cursor = history.page(limit=4)["next_cursor"]
    with app.app_context():
        settings, backend = provided(Settings), provided(Backend)
    both = replace(settings, cursor_secrets=(NEW_SECRET, *settings.cursor_secrets))
    during = replace(history, app=create_app(both, backend))
    after = replace(
        history, app=create_app(replace(settings, cursor_secrets=(NEW_SECRET,)), backend)
    )

    following = during.page(cursor=cursor, limit=4)["next_cursor"]

    assert len(during.page(cursor=cursor)["data"]) == 6
    assert len(after.page(cursor=following)["data"]) == 2
    assert_refused(after, cursor)


def test_a_listing_never_shows_turns_recorded_after_its_start(caller: Caller) -> None:
    before = [caller.record(body()).get_json()["interaction_id"] for _ in range(6)]
    page = caller.page(limit=2)
    shown = ids_of(page["data"])
    while page["next_cursor"] and len(shown) < 100:
        # One turn newer than all, and one that would lie on a later page.
        for minutes in (0, 600):
            assert caller.record(at(now_ms() - minutes * 60_000)).status_code == 201
        page = caller.page(limit=2, cursor=page["next_cursor"])
        shown += ids_of(page["data"])

    assert shown == before[::-1]
    assert len(caller.page(limit=100)["data"]) > len(before)


def test_a_listing_ends_although_many_later_turns_lie_among_its_pages(caller: Caller) -> None:
    old = [caller.record(at(now_ms() - 3_600_000)).get_json()["interaction_id"]]
    old += [caller.record(body()).get_json()["interaction_id"]]
    page = caller.page(limit=1)
    caller.record_batch([at(now_ms() - 60_000) for _ in range(20)])

    shown, pages_count = ids_of(page["data"]), 1
    while page["next_cursor"] and len(shown) < 100:
        page = caller.page(limit=1, cursor=page["next_cursor"])
        assert len(page["data"]) <= 1
        shown += ids_of(page["data"])
        pages_count += 1

    assert shown == old[::-1]
    assert 2 < pages_count < 20


def test_turns_that_expire_during_a_listing_are_left_out(caller: Caller, clock: Clock) -> None:
    edge_ms = clock.now_ms - 180 * DAY_MS
    caller.import_(at(edge_ms + offset) for offset in (10, 20, 30))
    page = caller.page(limit=1)
    clock.move(ms=15)

    shown = page["data"] + caller.page(cursor=page["next_cursor"])["data"]

    assert [item["created_at"] for item in shown] == [format_ms(edge_ms + ms) for ms in (30, 20)]


def test_damaged_text_is_an_invalid_cursor_or_no_cursor_at_all(app: Flask) -> None:
    caller = new_caller(app)
    caller.import_(at(now_ms()) for _ in range(2))
    cursor = caller.page(limit=1)["next_cursor"]

    for damaged in (cursor[:-1], cursor + "A", cursor[1:], "a", ".", "..", cursor.swapcase()):
        assert_refused(caller, damaged)
    for strange in ("é", "a b", "a+b", "a" * 513, cursor + "\n"):
        answer = caller.list_(cursor=strange)
        assert (answer.status_code, error_of(answer)["code"]) == (400, "validation_error")
