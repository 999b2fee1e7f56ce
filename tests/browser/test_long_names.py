"""Long names and text at 200 % leave a page as wide as its window."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from app.http.application import provided
from app.tenancy.model import Organization
from app.tenancy.service import MAX_NAME_LENGTH, Organizations
from tests.browser.checks import overhang
from tests.browser.conftest import Visit
from tests.callers import Caller, new_caller
from tests.servers import RunningService
from tests.turns import body

LIST = "/console/organizations"
PAGES = {
    "overview": "/console?over=50",
    "organizations": f"{LIST}?order=name",
    "organization": f"{LIST}/ID",
    "change": f"{LIST}/ID/change?turns=70000",
    "keys": "/console/keys",
    "requests": "/console/requests",
    "audit": "/console/audit",
}
DOUBLED = "html { font-size: 200% !important; }"


@pytest.fixture(scope="module")
def long_named(site: tuple[RunningService, Caller]) -> Organization:
    """An organization with a long name that is near its ceiling."""
    app = site[1].app
    with app.app_context():
        made = provided(Organizations).create("W" * MAX_NAME_LENGTH, "free")
    assert new_caller(app, of=made).record(body(usage={"turns_consumed": 960})).status_code == 201
    return made


@pytest.fixture
def plain(
    site: tuple[RunningService, Caller], browser: Browser, operator_state: Any, width: int
) -> Iterator[Visit]:
    """A window whose pages take one more style, in which an operator is logged in."""
    size: Any = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, bypass_csp=True, storage_state=operator_state)
    yield Visit(context.new_page(), site[0].base_url)
    context.close()


@pytest.mark.parametrize("width", [360, 768, 1_440], indirect=True)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_stays_as_wide_as_its_window(
    plain: Visit, long_named: Organization, name: str
) -> None:
    plain.open(PAGES[name].replace("ID", long_named.id))
    assert overhang(plain) == 0
    plain.page.add_style_tag(content=DOUBLED)
    assert overhang(plain) == 0


@pytest.mark.parametrize("width", [1_440], indirect=True)
def test_a_long_name_pushes_no_number_out_of_its_table(
    plain: Visit, long_named: Organization
) -> None:
    plain.open(PAGES["overview"])
    table = plain.page.get_by_role("group", name="Accounts near a ceiling")
    assert table.evaluate("each => each.scrollWidth - each.clientWidth") == 0
