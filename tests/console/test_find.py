"""Whatever an operator pastes leads to its page; several matches are listed."""

import pytest
from flask import Flask

from app.http.application import provided
from app.tenancy.api_keys import ApiKeys
from app.tenancy.model import Environment, Scope
from app.tenancy.service import Organizations
from tests.callers import Caller
from tests.console.conftest import NewCaller
from tests.console.operator import Operator
from tests.turns import body

FIND = "/console/find"


def target(operator: Operator, given: str) -> str:
    answer = operator.client.get(FIND, query_string={"q": given})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


@pytest.fixture
def alder(app: Flask) -> str:
    """The id of an organization whose name is a part of another one's."""
    with app.app_context():
        found = provided(Organizations).create("Alder", "free").id
        provided(Organizations).create("Alder Labs", "free")
    return found


def test_an_id_leads_to_its_page(tenant: NewCaller, operator: Operator) -> None:
    caller: Caller = tenant()
    turn = caller.record(body()).get_json()["interaction_id"]
    page = f"/console/organizations/{caller.organization.id}"
    key_page = f"/console/keys?q={caller.key_id}#list"

    assert target(operator, caller.organization.id) == page
    assert target(operator, f" {turn} ") == f"{page}?environment=live"
    assert target(operator, "01m857wwt68h8hwga8e1gfthm9") == (
        "/console/requests/01M857WWT68H8HWGA8E1GFTHM9"
    )
    for given in (caller.key_id, caller.token, caller.token[:14], caller.token[:14] + "..."):
        assert target(operator, given) == key_page


def test_a_name_leads_to_its_organization(alder: str, operator: Operator) -> None:
    assert target(operator, "Alder") == f"/console/organizations/{alder}"
    assert target(operator, "der labs").startswith("/console/organizations/org_")


def test_a_label_leads_to_its_key(app: Flask, tenant: NewCaller, operator: Operator) -> None:
    caller: Caller = tenant()
    with app.app_context():
        key, _ = provided(ApiKeys).issue(
            caller.organization.id, Environment.TEST, Scope.READ, label="nightly"
        )

    assert target(operator, "night") == f"/console/keys?q={key.id}#list"


def test_several_matches_are_listed(alder: str, operator: Operator) -> None:
    found = operator.data(f"{FIND}.json?q=alder")

    assert [each["name"] for each in found["organizations"]] == ["Alder", "Alder Labs"]
    page = operator.page(f"{FIND}?q=alder")
    assert "“alder” names 2 objects." in page
    assert f"/console/organizations/{alder}" in page


def test_several_keys_with_the_same_beginning_are_listed(
    tenant: NewCaller, operator: Operator
) -> None:
    ids = sorted(tenant().key_id for _ in range(23))

    found = operator.data(f"{FIND}.json?q=uniq_live_")

    assert [each["id"] for each in found["keys"]] == ids[:2:-1]
    assert found["more_keys_count"] == 3
    assert "Show all 23 keys" in operator.page(f"{FIND}?q=uniq_live_")


def test_an_unknown_key_leaves_the_address(own_operator: Operator) -> None:
    assert target(own_operator, "uniq_live_" + "q" * 46) == f"{FIND}?q=uniq_live_qqqq..."


@pytest.mark.parametrize(
    "given", ["zzz", "key_1", "int_x", "int_01M857WWT68H8HWGA8E1GFTHM9", "uniq_live_qqqq..."]
)
def test_nothing_of_this_name_is_404(own_operator: Operator, given: str) -> None:
    answer = own_operator.client.get(FIND, query_string={"q": given})

    assert answer.status_code == 404
    assert "Nothing is named" in answer.text


def test_an_empty_search_shows_the_form(own_operator: Operator) -> None:
    assert "Paste a name, an id or the first characters of a key." in own_operator.page(FIND)
