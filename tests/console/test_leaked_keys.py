"""Pasted text is searched for keys and dropped; keys are revoked in a second step."""

from typing import Any

import pytest
from flask import Flask

from tests.callers import Clock, new_caller
from tests.console.conftest import NewCaller
from tests.console.forms import form_of, send
from tests.console.keys import KEYS, entries, listed, make, status_of
from tests.console.operator import Operator


def test_a_leaked_key_is_revoked_by_its_text(
    app: Flask, tenant: NewCaller, operator: Operator, clock: Clock
) -> None:
    caller = tenant()
    key, token = make(app, caller, "production")
    text = f"+ TURNLEDGER_KEY={token}\n"

    found = send(operator, operator.page(KEYS), "leak", text=text)
    assert found.status_code == 303
    assert found.headers["Location"] == f"{KEYS}?revoke={key.id}#revoke"
    page = operator.page(found.headers["Location"])
    assert "1 key found. Revoke it?" in page
    assert token not in page

    done = send(operator, page, "revoke", reason="leaked in a commit")
    assert (done.status_code, done.headers["Location"]) == (303, KEYS)
    assert f"Revoked 1 key: production ({key.hint})" in operator.page(KEYS)
    clock.move(s=6)
    assert status_of(caller, token) == 401
    (entry,) = entries(operator, "key.revoked")
    assert (entry["reason"], entry["key"]["id"]) == ("leaked in a commit", key.id)


def test_nothing_is_revoked_before_the_second_step(
    app: Flask, tenant: NewCaller, operator: Operator
) -> None:
    caller = tenant()
    send(operator, operator.page(KEYS), "leak", text=caller.token)

    assert listed(operator, f"?q={caller.key_id}")[0]["state"] == "active"


def test_a_part_of_a_key_is_not_chosen_beforehand(
    app: Flask, tenant: NewCaller, operator: Operator
) -> None:
    caller = tenant()
    whole, token = make(app, caller, "whole")
    part, cut = make(app, caller, "part")

    found = send(operator, operator.page(KEYS), "leak", text=f"{token} {cut[:-7]}")
    page = operator.page(found.headers["Location"])

    assert "2 keys found. Revoke them?" in page
    assert form_of(page, "revoke")["key_id"] == [whole.id]
    both = send(operator, page, "revoke", key_id=[whole.id, part.id], reason="both")
    assert both.status_code == 303
    assert {row["id"] for row in listed(operator, "?state=revoked")} == {whole.id, part.id}


@pytest.mark.parametrize(
    ("text", "status", "sentence"),
    [
        ("", 400, "Paste the text that contains the key."),
        ("nothing", 404, "No key is in this text."),
        ("uniq_live_" + "q" * 46, 404, "This server has no such key: uniq_live_qqqq..."),
    ],
)
def test_a_text_without_our_keys_is_refused(
    own_operator: Operator, text: str, status: int, sentence: str
) -> None:
    answer = send(own_operator, own_operator.page(KEYS), "leak", text=text)

    assert answer.status_code == status
    assert sentence in answer.text
    assert 'href="#leak"' in answer.text
    assert "q" * 10 not in answer.text


def test_a_text_that_is_too_long_is_413(own_operator: Operator) -> None:
    answer = send(own_operator, own_operator.page(KEYS), "leak", text="x" * 70_000)

    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"reason": " "}, "reason"), ({"reason": "x" * 201}, "reason"), ({"key_id": []}, "chosen")],
)
def test_a_revocation_needs_a_reason_and_a_key(
    memory_app: Flask, own_operator: Operator, changes: dict[str, Any], field: str
) -> None:
    caller = new_caller(memory_app)
    page = own_operator.page(f"{KEYS}?revoke={caller.key_id}")

    answer = send(own_operator, page, "revoke", **{"reason": "leaked", **changes})

    assert answer.status_code == 400
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}-e"' in answer.text
    assert "1 key found" in answer.text
    assert listed(own_operator)[0]["state"] == "active"


def test_a_revoked_key_stays_as_it_was_revoked(memory_app: Flask, own_operator: Operator) -> None:
    caller = new_caller(memory_app)
    page = own_operator.page(f"{KEYS}?revoke={caller.key_id}")
    send(own_operator, page, "revoke", reason="first")

    again = send(own_operator, page, "revoke", reason="second")

    assert again.status_code == 303
    assert "Nothing to change" in own_operator.page(KEYS)
    assert len(entries(own_operator, "key.revoked")) == 1
    assert "It is revoked already." in own_operator.page(f"{KEYS}?revoke={caller.key_id}")
