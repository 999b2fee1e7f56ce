"""The organizations in a browser: quiet, accessible, and changed by forms without script."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.checks import findings, overhang
from tests.browser.conftest import Visit
from tests.callers import Caller, new_caller
from tests.turns import body

LIST = "/console/organizations"
PAGES = {
    "organizations": LIST,
    "organization": f"{LIST}/ID",
    "organization-180d": f"{LIST}/ID?environment=test&days=180d",
    "change": f"{LIST}/ID/change?turns=60000&burst=70",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_accessible_and_as_wide_as_its_window(
    console: Visit, caller: Caller, name: str, theme: str, width: int, screenshots: Path | None
) -> None:
    console.open(PAGES[name].replace("ID", caller.organization.id))
    console.take_picture(screenshots, f"{name}-{theme}-{width}")
    for twin in console.page.locator("details").all():
        twin.locator("summary").click()

    assert overhang(console) == 0
    assert findings(console) == []
    console.require_quiet()


@pytest.mark.parametrize("theme", ["light"], indirect=True)
@pytest.mark.parametrize("width", [1440], indirect=True)
def test_a_ceiling_is_raised_and_an_organization_suspended(console: Visit, caller: Caller) -> None:
    own = new_caller(caller.app, "free")
    assert own.record(body()).status_code == 201
    page = console.page
    console.open(f"{LIST}/{own.organization.id}")
    quota = own("GET", "/v1/usage/turns").get_json()["quota"]
    expect(page.locator(".meter").first).to_contain_text(f"{quota['turns_used']} used")

    page.get_by_label("Turns per period", exact=True).fill("1,500")
    page.get_by_role("button", name="Check the change").click()
    expect(page.locator("ins").first).to_have_text("1,500")
    page.get_by_label("Reason").fill("ticket 4790: launch day")
    page.get_by_role("button", name="Apply the change").click()
    expect(page.get_by_role("status")).to_contain_text("1,000 → 1,500")

    form = page.locator("form.zone")
    form.get_by_label("Reason").fill("invoice 60 days overdue")
    form.get_by_label("Type the organization").fill("Acme")
    form.get_by_role("button", name="Suspend").click()
    expect(page.get_by_role("status").first).to_contain_text("is suspended")
    assert new_caller(caller.app, of=own.organization)("GET", "/v1/me").status_code == 402
    console.require_quiet()
