"""Each page: no foreign request, no message on the console, accessible, never too wide."""

from pathlib import Path

import pytest

from app.http.problems import CODES
from tests.browser.checks import findings, overhang
from tests.browser.conftest import Visit
from tests.callers import Caller

PAGES = {
    "start": "/",
    "reference": "/docs",
    "errors": "/docs/errors",
    "error": "/docs/errors/quota_exhausted",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_accessible_and_as_wide_as_its_window(
    visit: Visit, name: str, theme: str, width: int, screenshots: Path | None
) -> None:
    visit.open(PAGES[name])
    visit.take_picture(screenshots, f"{name}-{theme}-{width}")

    assert visit.page.title()
    assert overhang(visit) == 0
    assert findings(visit) == []
    visit.require_quiet()


@pytest.mark.parametrize("theme", ["light"], indirect=True)
@pytest.mark.parametrize("width", [1440], indirect=True)
@pytest.mark.parametrize("code", CODES)
def test_the_page_of_each_code_is_quiet_and_accessible(visit: Visit, code: str) -> None:
    visit.open(f"/docs/errors/{code}")

    assert visit.page.locator("h1").inner_text() == code
    assert findings(visit) == []
    visit.require_quiet()


@pytest.mark.parametrize("theme", ["light"], indirect=True)
@pytest.mark.parametrize("width", [360], indirect=True)
def test_a_fragment_of_an_earlier_release_scrolls_to_its_code(visit: Visit) -> None:
    visit.open("/docs/errors#quota_exhausted")

    assert visit.page.evaluate("document.querySelector(':target').id") == "quota_exhausted"
    assert visit.page.evaluate("window.scrollY") > 0


def test_a_call_from_the_reference_succeeds(
    visit: Visit, caller: Caller, theme: str, width: int, screenshots: Path | None
) -> None:
    visit.open("/docs")
    authorize(visit, caller)
    assert findings(visit) == []
    visit.page.get_by_role("button", name="Close").first.click()
    operation = visit.page.locator(".opblock", has_text="/v1/me").first
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    answer.wait_for()
    visit.take_picture(screenshots, f"tried-{theme}-{width}")

    status = answer.locator("tbody .response-col_status").first
    assert status.inner_text().split()[0] == "200"
    assert caller.organization.id in answer.inner_text()
    assert overhang(visit) == 0
    assert findings(visit) == []
    visit.require_quiet()


def authorize(visit: Visit, caller: Caller) -> None:
    """Paste the caller's key into the form of Swagger UI, and leave the form open."""
    visit.page.get_by_role("button", name="Authorize").first.click()
    visit.page.get_by_label("auth-bearer-value").first.fill(caller.token)
    visit.page.get_by_role("button", name="Apply credentials").first.click()


@pytest.mark.parametrize("theme", ["light"], indirect=True)
@pytest.mark.parametrize("width", [1440], indirect=True)
def test_the_start_page_leads_to_an_operation(visit: Visit) -> None:
    visit.open("/")
    visit.page.get_by_role("link", name="/v1/me", exact=True).click()
    opened = visit.page.locator(".opblock.is-open")
    opened.wait_for()

    assert opened.count() == 1
    assert "/v1/me" in opened.inner_text()
    visit.require_quiet()


@pytest.mark.parametrize("name", ["list_interactions", "record_interaction"])
def test_an_open_operation_is_accessible(
    visit: Visit, name: str, theme: str, width: int, screenshots: Path | None
) -> None:
    visit.open(f"/docs#/interactions/{name}")
    visit.page.locator(".opblock.is-open .responses-inner").first.wait_for()
    visit.take_picture(screenshots, f"{name}-{theme}-{width}")

    assert overhang(visit) == 0
    assert findings(visit) == []
    visit.require_quiet()
