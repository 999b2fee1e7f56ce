"""Keys are made and rotated once, and shown once."""

from datetime import date, timedelta

import pytest
from flask import Flask

from app.http.application import provided
from app.tenancy.api_keys import ApiKeys
from app.tenancy.model import Environment
from tests.callers import Clock, new_caller
from tests.console.conftest import NewCaller
from tests.console.forms import send
from tests.console.keys import KEYS, TWIN, entries, listed, make, status_of
from tests.console.operator import NAME, Operator


def test_a_key_is_made_and_shown_once(app: Flask, tenant: NewCaller, operator: Operator) -> None:
    caller = tenant("free")
    page = operator.page(f"{KEYS}?organization={caller.organization.id}")

    answer = send(operator, page, "create", label="night-batch", scope="read", reason="ticket 7")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    (row,) = listed(operator, "?q=night-batch")
    assert (row["scope"], row["environment"], row["expires_at"]) == ("read", "live", None)
    token = answer.text.partition('<code class="id all">')[2].partition("<")[0]
    assert token.startswith(row["hint"][:-3])
    assert status_of(caller, token) == 200
    assert token not in operator.page(KEYS)
    (entry,) = entries(operator, "key.created")
    assert (entry["reason"], entry["key"]["id"]) == ("ticket 7", row["id"])


def test_a_form_that_is_sent_twice_makes_one_key(memory_app: Flask, own_operator: Operator) -> None:
    caller = new_caller(memory_app)
    page = own_operator.page(KEYS)
    sent = [
        send(own_operator, page, "create", organization=caller.organization.name, label="once")
        for _ in range(2)
    ]

    assert [answer.status_code for answer in sent] == [200, 200]
    assert len(listed(own_operator, "?q=once")) == 1


def test_a_key_expires_on_the_chosen_day(memory_app: Flask, own_operator: Operator) -> None:
    caller = new_caller(memory_app)
    today = date.fromisoformat(own_operator.data(TWIN)["as_of"][:10])
    fields = {"organization": caller.organization.id, "label": "trial"}
    for days, status in ((0, 400), (3_651, 400), (30, 200)):
        chosen = (today + timedelta(days=days)).isoformat()
        page = own_operator.page(KEYS)
        answer = send(own_operator, page, "create", expires=chosen, **fields)
        assert answer.status_code == status

    (row,) = listed(own_operator, "?q=trial")
    assert row["expires_at"].startswith(chosen)


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"organization": ""}, 400, "organization"),
        ({"organization": "nobody"}, 404, "organization"),
        ({"organization": "org_1"}, 404, "organization"),
        ({"label": "two words"}, 400, "label"),
        ({"expires": "tomorrow"}, 400, "expires"),
        ({"expires": "2020-01-01"}, 400, "expires"),
        ({"scope": "root"}, 400, "scope"),
        ({"environment": "dev"}, 400, "environment"),
        ({"reason": "a bell\x07 rings"}, 400, "creation-reason"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(
    memory_app: Flask,
    own_operator: Operator,
    changes: dict[str, str],
    status: int,
    field: str,
) -> None:
    caller = new_caller(memory_app)
    fields = {"organization": caller.organization.id, "label": "bad", **changes}

    answer = send(own_operator, own_operator.page(KEYS), "create", **fields)

    assert (answer.status_code, f'id="{field}-e"' in answer.text) == (status, True)
    assert f'href="#{field}"' in answer.text
    assert len(listed(own_operator)) == 1


def test_a_name_of_two_organizations_is_refused_with_both(
    memory_app: Flask, own_operator: Operator
) -> None:
    ids = [new_caller(memory_app).organization.id for _ in range(2)]

    answer = send(own_operator, own_operator.page(KEYS), "create", organization="Acme")

    assert answer.status_code == 400
    for each in ids:
        assert each in answer.text


def test_a_key_is_rotated(app: Flask, tenant: NewCaller, operator: Operator, clock: Clock) -> None:
    caller = tenant()
    key, token = make(app, caller, "production")

    clock.move(s=1)
    answer = send(operator, operator.page(f"{KEYS}?rotate={key.id}"), "rotate", overlap="1")

    assert answer.status_code == 200
    new, old = listed(operator, "?q=production")
    assert old["id"] == key.id
    assert old["expires_at"] is not None
    assert new["scope"] == "read"
    assert new["hint"] in answer.text
    assert status_of(caller, token) == 200
    clock.move(s=3_700)
    assert status_of(caller, token) == 401
    assert len(entries(operator, "key.rotated")) == 1


def test_a_form_to_rotate_that_is_sent_twice_rotates_once(
    app: Flask, tenant: NewCaller, operator: Operator
) -> None:
    key, _ = make(app, tenant(), "production", expires_in_days=1)
    page = operator.page(f"{KEYS}?rotate={key.id}")
    assert send(operator, page, "rotate", overlap="168").status_code == 200

    again = send(operator, page, "rotate", overlap="168")

    assert again.status_code == 409
    assert f"by console:{NAME}, after this form was opened" in again.text
    assert len(listed(operator, "?q=production")) == 2


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"overlap": "99"}, 400),
        ({"opened_at": "now"}, 400),
        ({"rotate": "key_0"}, 404),
    ],
)
def test_a_wrong_rotation_changes_nothing(
    memory_app: Flask, own_operator: Operator, changes: dict[str, str], status: int
) -> None:
    caller = new_caller(memory_app)
    page = own_operator.page(f"{KEYS}?rotate={caller.key_id}")

    assert send(own_operator, page, "rotate", **changes).status_code == status
    assert len(listed(own_operator)) == 1


def test_a_key_that_ended_is_not_rotated(memory_app: Flask, own_operator: Operator) -> None:
    caller = new_caller(memory_app)
    page = own_operator.page(f"{KEYS}?rotate={caller.key_id}")
    with memory_app.app_context():
        keys = provided(ApiKeys)
        keys.revoke(caller.organization.id, Environment.LIVE, caller.key_id)

    assert send(own_operator, page, "rotate").status_code == 409
    shown = own_operator.page(f"{KEYS}?rotate={caller.key_id}")
    assert "Only an active key can be rotated; this one is revoked." in shown
    assert "There is no such key any more." in own_operator.page(f"{KEYS}?rotate=key_0")
