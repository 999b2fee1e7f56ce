"""The console in a browser: quiet, accessible, as wide as its window, whole without script."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.checks import findings, overhang
from tests.browser.conftest import Visit, log_in
from tests.callers import Caller, new_caller
from tests.servers import wait_until
from tests.turns import body

PAGES = {
    "overview": "/console",
    "overview-24h": "/console?range=24h&over=50",
    "overview-7d": "/console?range=7d&over=95",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_accessible_and_as_wide_as_its_window(
    console: Visit, name: str, theme: str, width: int, screenshots: Path | None
) -> None:
    console.open(PAGES[name])
    console.take_picture(screenshots, f"{name}-{theme}-{width}")
    for twin in console.page.locator("details").all():
        twin.locator("summary").click()

    assert console.page.title()
    assert overhang(console) == 0
    assert findings(console) == []
    console.require_quiet()


def test_the_log_in_page_is_quiet_and_accessible(
    visit: Visit, theme: str, width: int, screenshots: Path | None
) -> None:
    visit.open("/console")
    visit.take_picture(screenshots, f"log-in-{theme}-{width}")
    assert visit.page.url.endswith("/console/login")
    assert overhang(visit) == 0
    assert findings(visit) == []
    visit.require_quiet()


def test_a_wrong_token_is_named_above_the_form(
    visit: Visit, theme: str, width: int, screenshots: Path | None
) -> None:
    visit.open("/console/login")
    form = visit.page.locator("form.stack")
    form.get_by_label("Your name in the audit trail").fill("x")
    form.get_by_label("Operator token").fill("wrong")
    form.evaluate("form => { form.noValidate = true; }")
    form.get_by_role("button", name="Log in").click()
    visit.take_picture(screenshots, f"log-in-refused-{theme}-{width}")

    alert = visit.page.get_by_role("alert")
    expect(alert.get_by_role("link", name="This is not the operator token.")).to_be_visible()
    assert overhang(visit) == 0
    assert findings(visit) == []
    assert [message for message in visit.failed if "403" not in message] == []


@pytest.mark.parametrize("theme", ["light"], indirect=True)
@pytest.mark.parametrize("width", [1440], indirect=True)
def test_the_numbers_of_the_overview_are_those_of_the_api(console: Visit, caller: Caller) -> None:
    near = new_caller(caller.app, "free", turns=9)
    assert {near.record(body()).status_code for _ in range(8)} == {201}
    spent = new_caller(caller.app, "free", turns=1)
    assert [spent.record(body()).status_code for _ in range(3)] == [201, 429, 429]
    used = near("GET", "/v1/usage/turns").headers["X-Quota-Turns-Used"]
    rows = console.page.locator("table.near tr")

    def shows_both() -> bool:
        console.open("/console?over=80")
        return all(rows.filter(has=link_to(console, each)).count() == 1 for each in (near, spent))

    wait_until(shows_both, timeout_s=70, every_s=1)
    assert rows.filter(has=link_to(console, near)).locator("td.num").all_inner_texts() == [
        *("88.8 %", used, "0", "9", "1"),
    ]
    assert "100.0 %" in rows.filter(has=link_to(console, spent)).inner_text()
    console.require_quiet()


def link_to(visit: Visit, caller: Caller) -> Locator:
    """Return the link to the page of the caller's organization."""
    return visit.page.locator(f"a[href*='{caller.organization.id}']")


def test_all_of_it_works_without_script(without_script: Visit) -> None:
    page = without_script.page
    without_script.open("/console")
    twin = page.get_by_text("Show these numbers as a table")
    twin.click()
    expect(page.get_by_role("table").filter(has_text="Minute, UTC")).to_be_visible()
    page.get_by_role("group", name="Range").get_by_role("link", name="24 h").click()
    assert "range=24h" in page.url
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert "range=24h" in page.url
    page.get_by_role("link", name="every 30 s").click()
    assert "refresh=30" in page.url
    page.get_by_role("button", name="Log out").click()
    assert page.url.endswith("/console/login")
    log_in(without_script)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    without_script.require_quiet()


@pytest.mark.parametrize("theme", ["light"], indirect=True)
@pytest.mark.parametrize("width", [1440], indirect=True)
def test_the_keyboard_reaches_the_content_first(console: Visit) -> None:
    console.open("/console")
    console.page.keyboard.press("Tab")
    expect(console.page.get_by_role("link", name="Skip to content")).to_be_focused()
    console.page.keyboard.press("Enter")
    assert console.page.url.endswith("#main")


@pytest.mark.parametrize("theme", ["light"], indirect=True)
@pytest.mark.parametrize("width", [1440], indirect=True)
def test_pointing_at_a_step_shows_its_numbers(console: Visit) -> None:
    console.open("/console?range=24h")
    step = console.page.locator("g.h").last
    assert not step.locator(".read").is_visible()
    step.locator(".hit").hover()
    expect(step.locator(".read")).to_be_visible()
