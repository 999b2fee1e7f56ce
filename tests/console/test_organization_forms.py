"""Changes of an organization by the forms of its page."""

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask

from app.audit.trail import AuditTrail
from app.http.application import provided
from app.tenancy.service import Organizations
from tests.callers import Caller, new_caller
from tests.console.operator import Operator, log_in
from tests.console.organization_paths import path_of, text_of


@pytest.fixture
def caller(memory_app: Flask) -> Caller:
    return new_caller(memory_app, "pro", turns=1_000)


def form_of(page: str) -> dict[str, str]:
    """Return the hidden fields of the form that applies a change."""
    form = page.partition('method="post" action="/console/organizations/')[2].partition("</form>")[
        0
    ]
    found = re.findall(r'type="hidden" name="([a-z_]+)" value="([^"]*)"', form)
    return {name: unescape(value) for name, value in found if name != "csrf_token"}


def newest_entry(caller: Caller) -> Any:
    with caller.app.app_context():
        return provided(AuditTrail).list_(caller.organization.id, at_most=1)[0]


def limits_of(caller: Caller) -> Any:
    with caller.app.app_context():
        return provided(Organizations).get_(caller.organization.id).limits


def test_ceilings_change_in_two_steps(caller: Caller, own_operator: Operator) -> None:
    checked = own_operator.page(f"{path_of(caller)}/change?turns=60%2C000&plan=")
    assert limits_of(caller).turns == 1_000
    assert "1,000 60,000" in text_of(checked)

    answer = own_operator.post(
        f"{path_of(caller)}/change", **form_of(checked), reason="ticket 4812"
    )

    assert (answer.status_code, answer.headers["Location"]) == (303, path_of(caller))
    assert limits_of(caller).turns == 60_000
    entry = newest_entry(caller)
    assert (entry.who, entry.reason) == ("console:on-call-eu", "ticket 4812")
    note = text_of(own_operator.page(path_of(caller)))
    assert "Acme: Turns per period 1,000 → 60,000" in note


def test_a_change_after_another_is_not_applied(caller: Caller, own_operator: Operator) -> None:
    checked = own_operator.page(f"{path_of(caller)}/change?turns=60000")
    colleague = log_in(caller.app, "on-call-us")
    other = colleague.page(f"{path_of(caller)}/change?turns=55000")
    assert colleague.post(f"{path_of(caller)}/change", **form_of(other)).status_code == 303

    answer = own_operator.post(f"{path_of(caller)}/change", **form_of(checked))

    assert answer.status_code == 409
    assert limits_of(caller).turns == 55_000
    shown = text_of(answer.text)
    assert "Someone else changed this meanwhile. console:on-call-us changed it at" in shown
    assert "55,000 60,000" in shown
    again = own_operator.post(f"{path_of(caller)}/change", **form_of(answer.text))
    assert (again.status_code, limits_of(caller).turns) == (303, 60_000)


def test_a_bad_form_shows_all_its_errors(caller: Caller, own_operator: Operator) -> None:
    answer = own_operator.get(f"{path_of(caller)}/change?turns=60k&burst=0&until=soon")
    assert answer.status_code == 400
    assert "3 fields need another value" in text_of(answer.text)
    for field in ("turns", "burst", "until"):
        assert f'href="#{field}"' in answer.text
        assert f'aria-describedby="{field}-e"' in answer.text
    assert 'value="60k"' in answer.text


def test_a_reason_that_is_too_long_changes_nothing(caller: Caller, own_operator: Operator) -> None:
    form = form_of(own_operator.page(f"{path_of(caller)}/change?turns=60000"))
    answer = own_operator.post(f"{path_of(caller)}/change", **form, reason="x" * 201)
    assert (answer.status_code, limits_of(caller).turns) == (400, 1_000)
    assert "The reason must be 1 to 200 printable characters" in text_of(answer.text)


def test_no_change_without_the_token_of_the_form(caller: Caller, own_operator: Operator) -> None:
    form = form_of(own_operator.page(f"{path_of(caller)}/change?turns=60000"))
    for path in ("change", "suspend", "resume"):
        answer = own_operator.client.post(f"{path_of(caller)}/{path}", data=form)
        assert answer.status_code == 403
    assert limits_of(caller).turns == 1_000


def test_a_suspension_needs_reason_and_name(caller: Caller, own_operator: Operator) -> None:
    for fields in (
        {},
        {"reason": "unpaid"},
        {"name": "Acme"},
        {"reason": "unpaid", "name": "acme"},
    ):
        answer = own_operator.post(f"{path_of(caller)}/suspend", **fields)
        assert answer.status_code == 400
        assert "another value" in text_of(answer.text)
    assert caller("GET", "/v1/me").status_code == 200


def test_an_organization_is_suspended_and_served_again(
    caller: Caller, own_operator: Operator
) -> None:
    form = {"reason": "invoice 60 days overdue", "name": "Acme"}

    suspended = own_operator.post(f"{path_of(caller)}/suspend", **form)
    shown = text_of(own_operator.page(path_of(caller)))
    entry = newest_entry(caller)

    assert (suspended.status_code, suspended.headers["Location"]) == (303, path_of(caller))
    assert new_client_status(caller) == 402
    assert "by console:on-call-eu: invoice 60 days overdue" in shown
    assert (entry.who, entry.reason) == ("console:on-call-eu", "invoice 60 days overdue")
    assert own_operator.post(f"{path_of(caller)}/resume", **form | {"name": "?"}).status_code == 400
    assert own_operator.post(f"{path_of(caller)}/resume", **form).status_code == 303
    assert newest_entry(caller).change.action == "organization.resumed"


def new_client_status(caller: Caller) -> int:
    """Return the status of a request with a key that no process has read yet."""
    other = new_caller(caller.app, of=caller.organization)
    return other("GET", "/v1/me").status_code


@pytest.mark.parametrize("form", ["suspend", "resume"])
def test_an_address_of_a_form_leads_to_the_organization(
    own_operator: Operator, caller: Caller, form: str
) -> None:
    page = f"/console/organizations/{caller.organization.id}"
    answer = own_operator.get(f"{page}/{form}")
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
