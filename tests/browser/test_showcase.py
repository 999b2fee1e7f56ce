"""The console with many organizations: as wide as its window, and the pictures of the docs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.checks import findings, overhang
from tests.browser.conftest import Visit, log_in
from tests.browser.showcase import fill
from tests.callers import Caller, app_beside
from tests.servers import REDIS_DATABASES_COUNT, RunningService, environ_for, running_service

Showcase = tuple[RunningService, dict[str, Caller]]
# A picture in a page; a file over this is slow to load, and large in the repository.
SIZE: Any = {"width": 1_280, "height": 860}
MOST_BYTES = 150_000
# Of a page in both themes, and in one.
CLIPS: Any = {
    short: {"x": 0, "y": 0, "width": 1_280, "height": height}
    for short, height in ((False, 860), (True, 720))
}
PAGES = {
    "console": "/console",
    "console-organization": "/console/organizations/ORG",
    "console-keys": "/console/keys",
    "console-request": "/console/requests/REQUEST",
    "console-audit": "/console/audit",
}
# Those of the docs; README and docs show the others in the theme of their reader.
LIGHT_ONLY = {"console-keys", "console-request", "console-audit"}


@pytest.fixture(scope="module")
def showcase(
    live_mongodb_uri: str, live_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Showcase]:
    """A service of its own stores with the organizations of the showcase."""
    folder = tmp_path_factory.mktemp("showcase")
    uri = live_mongodb_uri.replace("/turnledger?", f"/{folder.name}?")
    redis_url = live_redis_url.removesuffix("/0") + f"/{REDIS_DATABASES_COUNT - 2}"
    with (
        running_service(environ_for(uri, redis_url), folder / "service.log") as service,
        app_beside(service) as app,
    ):
        yield service, fill(app, service.base_url)


@pytest.fixture(scope="module")
def showcase_state(showcase: Showcase, browser: Browser) -> Any:
    """The cookies of an operator of the showcase."""
    context = browser.new_context()
    log_in(Visit(context.new_page(), showcase[0].base_url))
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def window(
    showcase: Showcase, browser: Browser, showcase_state: Any, theme: str, width: int
) -> Iterator[Visit]:
    """A window of this theme and width in the showcase."""
    size: Any = {**SIZE, "width": width}
    scheme: Any = theme
    context = browser.new_context(
        viewport=size, color_scheme=scheme, reduced_motion="reduce", storage_state=showcase_state
    )
    yield Visit(context.new_page(), showcase[0].base_url)
    context.close()


def path_of(name: str, window: Visit, callers: dict[str, Caller]) -> str:
    """Return the address of a page, with the ids of an organization and of a refused request."""
    path = PAGES[name].replace("ORG", callers["Brook Tutoring"].organization.id)
    if "REQUEST" in path:
        twin = window.page.request.get(f"{window.base_url}/console/requests.json").json()
        refused = twin["newest"]["requests"]
        path = path.replace("REQUEST", next(each["id"] for each in refused))
    return path


@pytest.mark.parametrize("width", [360, 768, 1_024, SIZE["width"]], indirect=True)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_with_many_rows_is_accessible_and_as_wide_as_its_window(
    window: Visit, showcase: Showcase, name: str, theme: str, width: int, pictures: Path | None
) -> None:
    window.open(path_of(name, window, showcase[1]))

    assert overhang(window) == 0
    window.require_quiet()
    if width != SIZE["width"]:
        return
    assert findings(window) == []
    if theme == "light" or name not in LIGHT_ONLY:
        picture = window.page.screenshot(clip=CLIPS[name in LIGHT_ONLY])
        assert len(picture) <= MOST_BYTES
        if pictures:
            suffix = "" if name in LIGHT_ONLY else f"-{theme}"
            (pictures / f"{name}{suffix}.png").write_bytes(picture)
