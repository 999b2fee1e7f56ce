"""`GET /v1/api-keys` page by page: every key, active ones first."""

from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from werkzeug.test import TestResponse

from app.backends.backend import Backend
from app.http.application import provided
from app.tenancy.api_keys import ApiKeys
from app.tenancy.key_lists import KeyLists
from app.tenancy.model import Environment, FaultyKey, Scope
from tests.callers import Caller, error_of, new_caller
from tests.turns import body

KEYS = "/v1/api-keys"


def issue(caller: Caller, **options: Any) -> str:
    """Make a key of the caller's account as an operator does; return its id."""
    with caller.app.app_context():
        key, _ = provided(ApiKeys).issue(
            caller.organization.id, caller.environment, Scope.READ, **options
        )
    return key.id


def revoke(caller: Caller, key_id: str) -> None:
    with caller.app.app_context():
        provided(ApiKeys).revoke(caller.organization.id, caller.environment, key_id)


def page(caller: Caller, **query: Any) -> TestResponse:
    return caller("GET", KEYS, query_string=query)


def listing(caller: Caller, limit: int) -> list[list[str]]:
    """Return the ids of all pages."""
    pages, cursor = [], {}
    while True:
        shown = page(caller, limit=limit, **cursor).get_json()
        pages.append([key["id"] for key in shown["data"]])
        if shown["next_cursor"] is None:
            return pages
        cursor = {"cursor": shown["next_cursor"]}


def cursor_of(caller: Caller) -> str:
    """Return a cursor to the second page of one key each."""
    issue(caller)
    cursor: str = page(caller, limit=1).get_json()["next_cursor"]
    return cursor


@pytest.fixture
def admin(app: Flask) -> Caller:
    """A caller whose own key is the oldest of its account."""
    return new_caller(app)


def own_id(caller: Caller) -> str:
    key_id: str = caller("GET", "/v1/me").get_json()["key_id"]
    return key_id


def test_the_oldest_active_key_is_on_the_first_page_before_newer_revoked_ones(
    admin: Caller,
) -> None:
    revoked = sorted(issue(admin) for _ in range(5))
    for key_id in revoked:
        revoke(admin, key_id)

    first = page(admin, limit=1).get_json()

    assert [key["id"] for key in first["data"]] == [own_id(admin)]
    assert listing(admin, limit=2)[0] == [own_id(admin), revoked[-1]]


@pytest.mark.slow  # seconds of work
def test_a_list_of_more_than_a_thousand_keys_is_complete(admin: Caller) -> None:
    with admin.app.app_context():
        collection = provided(Backend).database["api_keys"]
    made = collection.find_one({"organization_id": admin.organization.id})
    assert made is not None
    revoked = [
        made
        | {"_id": f"key_z{number:04}", "lookup": f"{number:08}", "revoked_at": made["created_at"]}
        for number in range(1_100)
    ]
    collection.insert_many(revoked)

    pages = listing(admin, limit=200)

    ids = [key_id for ids in pages for key_id in ids]
    assert ids == [made["_id"], *sorted((key["_id"] for key in revoked), reverse=True)]
    assert {len(ids) for ids in pages[:-1]} == {200}


def test_without_parameters_a_page_holds_every_key_that_can_be_used(admin: Caller) -> None:
    made = {issue(admin) for _ in range(99)}

    shown = page(admin).get_json()

    assert {key["id"] for key in shown["data"]} == made | {own_id(admin)}
    assert shown["next_cursor"] is None


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1.5", ""])
def test_a_limit_out_of_bounds_is_a_400_that_names_it(admin: Caller, limit: str) -> None:
    answer = page(admin, limit=limit)

    assert (answer.status_code, error_of(answer)["code"]) == (400, "validation_error")
    assert [wrong["field"] for wrong in error_of(answer)["details"]] == ["limit"]


def test_a_cursor_of_another_account_or_list_or_a_damaged_one_is_refused(
    app: Flask, admin: Caller
) -> None:
    cursor = cursor_of(admin)
    test = new_caller(app, of=admin.organization, environment=Environment.TEST)
    strangers = [
        (new_caller(app), cursor),
        (test, cursor),
        (admin, cursor[:-1] + ("A" if cursor[-1] != "A" else "B")),
        (admin, "damaged"),
        (admin, interactions_cursor(admin)),
    ]

    answers = [page(caller, cursor=text) for caller, text in strangers]

    assert {(answer.status_code, error_of(answer)["code"]) for answer in answers} == {
        (400, "invalid_cursor")
    }
    assert admin.list_(cursor=cursor).status_code == 400


def interactions_cursor(caller: Caller) -> str:
    """Return a cursor that the list of turns made for the same account."""
    for _ in range(2):
        assert caller.record(body()).status_code == 201
    cursor: str = caller.page(limit=1)["next_cursor"]
    return cursor


def test_keys_made_during_a_listing_are_not_in_it_and_revoked_ones_are_not_lost(
    admin: Caller,
) -> None:
    older, newer = sorted([issue(admin), issue(admin)])  # ids of one millisecond are in no order
    first = page(admin, limit=1).get_json()
    assert [key["id"] for key in first["data"]] == [newer]
    issue(admin)
    revoke(admin, older)

    rest = page(admin, limit=10, cursor=first["next_cursor"]).get_json()

    assert [key["id"] for key in rest["data"]] == [own_id(admin), older]


def test_a_key_with_an_odd_id_hides_no_other_key(app: Flask, admin: Caller) -> None:
    for _ in range(2):
        issue(admin)
    with app.app_context():
        keys = provided(Backend).database["api_keys"]
    odd = keys.find_one({"organization_id": admin.organization.id})
    assert odd is not None
    keys.insert_one({**odd, "_id": ObjectId(), "lookup": "odd"})

    assert [len(ids) for ids in listing(admin, limit=1)] == [1, 1, 1]
    with app.app_context():
        found = list(provided(KeyLists).all_(admin.organization.id))
    assert [isinstance(key, FaultyKey) for key in found] == [False, False, False, True]
