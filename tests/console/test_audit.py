"""The audit page shows each change with its values before and after, a page at a time."""

from typing import Any

import pytest
from flask import Flask

from app.audit.model import Author
from app.http.application import provided
from app.tenancy.service import Organizations
from tests.callers import Caller
from tests.console.conftest import NewCaller
from tests.console.operator import Operator

AUDIT = "/console/audit"
BY = Author("console:ada", "ticket 4790")


def entries(operator: Operator, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operator.data(f"{AUDIT}.json{query}")["list"]["entries"]
    return found


def actions(operator: Operator, query: str) -> list[str]:
    return [entry["action"] for entry in entries(operator, query)]


@pytest.fixture
def changed(app: Flask, tenant: NewCaller) -> Caller:
    """A caller whose organization has been changed in several ways."""
    caller: Caller = tenant("free")
    organization_id = caller.organization.id
    with app.app_context():
        organizations = provided(Organizations)
        organizations.change_limits(organization_id, {"turns": 60_000}, by=BY)
        organizations.change_limits(
            organization_id, {"turns": 90_000}, until_ms=4_102_444_800_000, by=BY
        )
        organizations.suspend(organization_id, by=Author("command:bob"))
        organizations.resume(organization_id, by=Author(f"key:{caller.key_id}"))
    return caller


def test_changes_are_listed_with_values_before_and_after(
    changed: Caller, operator: Operator
) -> None:
    (resumed,) = entries(operator, "?action=organization.resumed")
    (suspended,) = entries(operator, "?action=organization.suspended")
    limits = entries(operator, "?action=limits.changed")
    raised, temporary = sorted(limits, key=lambda entry: entry["changes"][0]["after"])

    row = {"is_instant": False, "until": None}
    assert raised["changes"] == [{"name": "turns", "before": None, "after": "60,000", **row}]
    assert temporary["changes"] == [
        {
            "name": "turns",
            "before": None,
            "after": "90,000",
            "is_instant": False,
            "until": "2100-01-01T00:00:00.000Z",
        }
    ]
    assert (raised["reason"], raised["author"]) == (
        "ticket 4790",
        {"kind": "console", "name": "ada", "key": None},
    )
    assert suspended["changes"] == [{"name": "is_suspended", "before": "no", "after": "yes", **row}]
    assert resumed["author"]["key"]["id"] == changed.key_id
    page = operator.page(AUDIT)
    assert "<ins>90,000</ins> until" in page
    assert "<del>no</del> <ins>yes</ins>" in page
    assert "6 entries." in page


def test_entries_are_filtered(changed: Caller, operator: Operator, tenant: NewCaller) -> None:
    tenant()
    of = changed.organization.id

    assert len(entries(operator)) == 8
    assert len(entries(operator, f"?object={of}")) == 6
    assert actions(operator, f"?object={changed.key_id}") == ["key.created"]
    assert actions(operator, "?action=organization.suspended") == ["organization.suspended"]
    assert actions(operator, "?kind=console") == ["limits.changed"] * 2
    assert actions(operator, "?author=bob") == ["organization.suspended"]
    assert actions(operator, "?kind=key&author=bob") == []
    assert actions(operator, f"?kind=key&author={changed.key_id}") == ["organization.resumed"]
    assert len(entries(operator, "?from=2020-01-01&to=2999-01-01")) == 8
    assert entries(operator, "?from=2020-01-01&to=2020-01-02") == []
    assert "No entry matches this filter." in operator.page(f"{AUDIT}?author=bob&kind=key")


def test_pages_follow_each_other(app: Flask, tenant: NewCaller, operator: Operator) -> None:
    caller: Caller = tenant()
    with app.app_context():
        for number in range(1, 56):
            provided(Organizations).change_limits(caller.organization.id, {"turns": number})

    first = operator.data(f"{AUDIT}.json?action=limits.changed")["list"]
    rest = entries(operator, f"?action=limits.changed&before={first['next_before']}")

    assert (first["total_count"], len(first["entries"]), len(rest)) == (55, 50, 5)
    listed = [*first["entries"], *rest]
    assert [entry["id"] for entry in listed] == sorted({e["id"] for e in listed}, reverse=True)
    assert {entry["changes"][0]["after"] for entry in listed} == {str(n) for n in range(1, 56)}
    query = "action=limits.changed&amp;kind=all&amp;author=&amp;from=&amp;to="
    page = operator.page(f"{AUDIT}?action=limits.changed")
    assert f"{query}&amp;before={first['next_before']}" in page


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?object=nobody", "object"),
        ("?from=yesterday", "from"),
        ("?to=2026-13-01", "to"),
        ("?from=2026-11-02&to=2026-11-02", "to"),
    ],
)
def test_a_wrong_filter_is_named(own_operator: Operator, query: str, field: str) -> None:
    answer = own_operator.get(f"{AUDIT}{query}")

    assert answer.status_code == 400
    assert f'id="{field}-e"' in answer.text
    assert own_operator.get(f"{AUDIT}.json{query}").status_code == 400


def test_an_empty_trail_says_so(own_operator: Operator) -> None:
    assert "Nothing was changed yet." in own_operator.page(AUDIT)
