"""Keys, requests, audit and find in a browser: quiet, accessible, and whole without script."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from app.http.application import provided
from app.tenancy.api_keys import ApiKeys
from app.tenancy.model import ApiKey, Environment, Scope
from tests.browser.checks import findings, overhang
from tests.browser.conftest import Visit
from tests.callers import Caller
from tests.servers import wait_until

PAGES = {
    "keys": "/console/keys",
    "keys-revoke": "/console/keys?revoke={key_id}&rotate={key_id}",
    "keys-none": "/console/keys?q=no-such-key",
    "requests": "/console/requests",
    "request": "/console/requests/{request_id}",
    "audit": "/console/audit",
    "find": "/console/find?q=uniq_live_",
}
# The browser itself writes a status of 400 or above to its console.
REFUSED_PAGES = {
    "request-unknown": "/console/requests/01M857WWT68H8HWGA8E1GFTHM9",
    "request-malformed": "/console/requests/01M857WWT68H8HWGA8E1",
    "audit-refused": "/console/audit?object=nobody&from=yesterday",
    "find-none": "/console/find?q=no-such-thing",
}
MakeKey = Callable[[str], tuple[ApiKey, str]]


@pytest.fixture
def make_key(caller: Caller) -> MakeKey:
    """A function that makes a key with a label."""

    def make(label: str) -> tuple[ApiKey, str]:
        with caller.app.app_context():
            return provided(ApiKeys).issue(
                caller.organization.id, Environment.LIVE, Scope.READ_WRITE, label=label
            )

    return make


@pytest.fixture
def refused_id(console: Visit, caller: Caller) -> str:
    """The id of a request that the service has refused and kept."""
    address = f"{console.base_url}/v1/interactions?limit=0"
    answer = httpx.get(address, headers=caller.headers)
    assert answer.status_code == 400
    request_id = answer.headers["X-Request-Id"]
    page = f"{console.base_url}/console/requests/{request_id}.json"
    wait_until(lambda: console.page.request.get(page).status == 200, every_s=0.2)
    return request_id


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_accessible_and_as_wide_as_its_window(
    console: Visit,
    make_key: MakeKey,
    refused_id: str,
    name: str,
    theme: str,
    width: int,
    screenshots: Path | None,
) -> None:
    key, _ = make_key("night-batch")

    console.open(PAGES[name].format(key_id=key.id, request_id=refused_id))
    console.take_picture(screenshots, f"{name}-{theme}-{width}")

    assert console.page.title()
    assert overhang(console) == 0
    assert findings(console) == []
    console.require_quiet()


@pytest.mark.parametrize("name", REFUSED_PAGES)
def test_a_page_that_refuses_is_accessible_and_as_wide_as_its_window(
    console: Visit, name: str, theme: str, width: int, screenshots: Path | None
) -> None:
    console.open(REFUSED_PAGES[name])
    console.take_picture(screenshots, f"{name}-{theme}-{width}")

    assert overhang(console) == 0
    assert findings(console) == []
    assert len(console.failed) == 1


def test_a_leaked_key_is_revoked_without_script(
    without_script: Visit, caller: Caller, make_key: MakeKey
) -> None:
    key, token = make_key("production")
    page = without_script.page
    without_script.open("/console/keys")
    page.get_by_label("Pasted text").fill(f"+ TURNLEDGER_KEY={token}\n")
    page.get_by_role("button", name="Find keys").click()
    expect(page.get_by_role("heading", name="1 key found. Revoke it?")).to_be_visible()
    assert token not in page.content() + page.url
    page.locator("form.zone").get_by_label("Reason").fill("leaked in a commit")
    page.get_by_role("button", name="Revoke 1 key").click()

    expect(page.get_by_role("status")).to_contain_text(f"Revoked 1 key: production ({key.hint})")
    address, headers = f"{without_script.base_url}/v1/me", {"Authorization": f"Bearer {token}"}
    wait_until(lambda: httpx.get(address, headers=headers).status_code == 401, every_s=0.5)
    without_script.require_quiet()


def test_a_key_is_made_without_script_and_works(without_script: Visit, caller: Caller) -> None:
    page = without_script.page
    without_script.open(f"/console/keys?organization={caller.organization.id}")
    page.get_by_label("Label", exact=True).fill("made-here")
    page.get_by_role("button", name="Create key").click()

    token = page.get_by_label("The new key").inner_text().strip()
    address, headers = f"{without_script.base_url}/v1/me", {"Authorization": f"Bearer {token}"}
    assert httpx.get(address, headers=headers).status_code == 200
    page.get_by_role("link", name="Refresh").click()
    assert token not in page.content()
    without_script.require_quiet()


def test_whatever_is_pasted_leads_to_its_page(without_script: Visit, make_key: MakeKey) -> None:
    key, token = make_key("find-me")
    page = without_script.page
    for text, heading in ((key.id, "Keys"), (token, "Keys"), (key.hint, "Keys")):
        without_script.open("/console")
        page.get_by_role("searchbox").fill(text)
        page.get_by_role("button", name="Find", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        expect(page.get_by_role("rowheader").filter(has_text="find-me")).to_be_visible()
    assert token not in page.url
