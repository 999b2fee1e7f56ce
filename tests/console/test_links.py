"""Links of the page of an organization lead to what they name."""

import re
from html import unescape

import pytest
from flask import Flask

from app.http.application import provided
from app.tenancy.service import Organizations
from tests.callers import Caller, new_caller
from tests.console.operator import Operator
from tests.console.organization_paths import path_of


@pytest.fixture
def caller(memory_app: Flask) -> Caller:
    new_caller(memory_app)  # another organization, whose keys and changes are not meant
    return new_caller(memory_app)


def links_of(operator: Operator, caller: Caller, page: str) -> list[str]:
    """Return the addresses below `page` that the organization's page leads to, each once."""
    found = re.findall(rf'href="({page}[?#][^"]*)"', operator.page(path_of(caller)))
    return list(dict.fromkeys(unescape(each) for each in found))


def twin_of(link: str) -> str:
    path, _, query = link.partition("#")[0].partition("?")
    return f"{path}.json?{query}"


def assert_links_are_of(operator: Operator, caller: Caller) -> None:
    """Check that links to keys and changes are about this organization alone."""
    (audit,) = links_of(operator, caller, "/console/audit")
    entries = operator.data(twin_of(audit))["list"]["entries"]
    assert {each["organization"]["id"] for each in entries} == {caller.organization.id}
    (keys,) = links_of(operator, caller, "/console/keys")
    data = operator.data(twin_of(keys))
    owners = {each["organization"]["id"] for each in data["list"]["keys"]}
    assert owners == {caller.organization.id}
    assert data["creation"]["organization"] == caller.organization.id


def test_links_are_about_the_organization(caller: Caller, own_operator: Operator) -> None:
    assert_links_are_of(own_operator, caller)


def test_links_of_an_organization_at_fault_too(
    caller: Caller, own_operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caller.app.app_context():
        monkeypatch.setattr(provided(Organizations), "_plans", {})
    assert_links_are_of(own_operator, caller)
