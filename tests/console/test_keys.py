"""Keys of all organizations are listed, filtered and paged."""

import json
from typing import Any

import pytest
from flask import Flask

from tests.callers import new_caller
from tests.console.conftest import NewCaller
from tests.console.forms import send
from tests.console.keys import KEYS, TWIN, listed, make
from tests.console.operator import Operator


def test_keys_of_all_organizations_are_listed(
    app: Flask, tenant: NewCaller, operator: Operator
) -> None:
    callers = [tenant(), tenant("free")]

    rows = listed(operator)

    assert [row["id"] for row in rows] == sorted(
        (caller.key_id for caller in callers), reverse=True
    )
    assert {row["organization"]["id"] for row in rows} == {
        caller.organization.id for caller in callers
    }
    page = operator.page(KEYS)
    assert "2 active keys of 2 organizations." in page
    for row in rows:
        assert row["hint"] in page
    assert callers[0].token not in page + json.dumps(rows)


def test_a_page_and_its_twin_have_the_same_numbers(
    app: Flask, tenant: NewCaller, operator: Operator
) -> None:
    caller = tenant()
    for number in range(60):
        make(app, caller, f"ci-{number}")

    first = operator.data(TWIN)["list"]
    assert (first["total_count"], len(first["keys"])) == (61, 50)
    page = operator.page(KEYS)
    assert "50 of 61 keys, newest first." in page
    rest = listed(operator, f"?before={first['next_before']}")
    assert len(rest) == 11
    assert not {row["id"] for row in rest} & {row["id"] for row in first["keys"]}
    assert f"before={first['next_before']}" in page


def test_filters_narrow_the_list(app: Flask, tenant: NewCaller, operator: Operator) -> None:
    caller = tenant()
    nightly, _ = make(app, caller, "nightly", expires_in_days=3)

    for query in ("?q=night", f"?q={nightly.id}", f"?q={nightly.hint}", "?state=expires_soon"):
        assert [row["id"] for row in listed(operator, query)] == [nightly.id]
    assert listed(operator, "?state=revoked") == []
    assert "No key matches this filter." in operator.page(f"{KEYS}?q=zzz")


def test_a_whole_key_leaves_the_address_of_the_page(
    app: Flask, tenant: NewCaller, operator: Operator
) -> None:
    key, token = make(app, tenant(), "nightly")

    answer = operator.get(f"{KEYS}?state=active&q={token}")

    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{KEYS}?state=active&q={key.hint}"


@pytest.mark.parametrize("query", ["?before=%00", "?revoke=key_1,,x"])
def test_an_odd_query_is_no_error(own_operator: Operator, query: str) -> None:
    assert own_operator.get(f"{KEYS}{query}").status_code == 200


def test_an_unknown_form_is_404(own_operator: Operator) -> None:
    assert own_operator.post(KEYS, form="delete").status_code == 404


def test_a_damaged_key_is_listed_with_its_reason(
    memory_app: Flask, own_operator: Operator, memory_backend: Any
) -> None:
    caller = new_caller(memory_app)
    memory_backend.database["api_keys"].update_one({"_id": caller.key_id}, {"$unset": {"hint": ""}})

    page = own_operator.page(KEYS)

    assert "damaged" in page
    assert f"flask key revoke {caller.key_id}" in page
    shown = own_operator.page(f"{KEYS}?revoke={caller.key_id}")
    assert send(own_operator, shown, "revoke", reason="damaged").status_code == 303
