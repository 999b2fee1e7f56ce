"""A running service, Debian's chromium, and visits that record all that a page did."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.callers import Caller, app_beside, new_caller
from tests.servers import OPERATOR_TOKEN, RunningService, environ_for, running_service

# The widths of a phone and of a desktop.
WIDTHS = (360, 1440)
THEMES = ("light", "dark")
# It takes every underscore in the address of an operation for an escaped space.
OF_SWAGGER_UI = "Deprecated: escaping deep link whitespace"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the folders for pictures."""
    parser.addoption("--screenshots", metavar="FOLDER", help="write a picture of each page there")
    parser.addoption("--pictures", metavar="FOLDER", help="write the pictures of the docs there")


@dataclass
class Visit:
    """An open page; what it requested, and its messages on the console."""

    page: Page
    base_url: str
    requested: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Record from now on."""
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("response", self._note_response)
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))

    def _note_message(self, message: Any) -> None:
        if not message.text.startswith(OF_SWAGGER_UI):
            self.messages.append(message.text)

    def _note_response(self, response: Any) -> None:
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")

    def open(self, path: str) -> None:
        """Open a page and wait until it is complete."""
        self.page.goto(f"{self.base_url}{path}", wait_until="networkidle")
        if path.startswith("/docs#") or path == "/docs":
            self.page.wait_for_selector(".opblock")

    def take_picture(self, folder: Path | None, name: str) -> None:
        """Write a picture of the whole page, if there is a folder for it."""
        if folder is not None:
            self.page.screenshot(path=folder / f"{name}.png", full_page=True)

    def require_quiet(self) -> None:
        """Fail if the page reached another host, was refused, or wrote to the console."""
        local = (f"{self.base_url}/", "data:")
        assert [url for url in self.requested if not url.startswith(local)] == []
        assert (self.failed, self.messages) == ([], [])


@pytest.fixture(scope="session")
def site(
    live_mongodb_uri: str, live_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningService, Caller]]:
    """The service with the usual limit of addresses, and a caller with a key."""
    folder = tmp_path_factory.mktemp("site")
    uri = live_mongodb_uri.replace("/turnledger?", f"/{folder.name}?")
    environ = environ_for(uri, live_redis_url, IP_LIMIT="20/2seconds")
    with (
        running_service(environ, folder / "service.log") as service,
        app_beside(service) as app,
    ):
        yield service, new_caller(app, "pro")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(params=THEMES)
def theme(request: pytest.FixtureRequest) -> str:
    """Each theme of the system."""
    return str(request.param)


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    """Each width of the window."""
    return int(request.param)


@pytest.fixture
def visit(
    site: tuple[RunningService, Caller], browser: Browser, theme: str, width: int
) -> Iterator[Visit]:
    """A window of this theme and width."""
    service, _ = site
    size: Any = {"width": width, "height": 900}
    scheme: Any = theme
    context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    yield Visit(context.new_page(), service.base_url)
    context.close()


@pytest.fixture(scope="session")
def operator_state(site: tuple[RunningService, Caller], browser: Browser) -> Any:
    """The cookies of an operator that has logged in; one log-in serves all tests."""
    context = browser.new_context()
    visit = Visit(context.new_page(), site[0].base_url)
    log_in(visit)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def console(
    site: tuple[RunningService, Caller],
    browser: Browser,
    operator_state: Any,
    theme: str,
    width: int,
) -> Iterator[Visit]:
    """A window of this theme and width in which an operator is logged in."""
    size: Any = {"width": width, "height": 900}
    scheme: Any = theme
    context = browser.new_context(
        viewport=size, color_scheme=scheme, reduced_motion="reduce", storage_state=operator_state
    )
    yield Visit(context.new_page(), site[0].base_url)
    context.close()


@pytest.fixture
def without_script(
    site: tuple[RunningService, Caller], browser: Browser, operator_state: Any
) -> Iterator[Visit]:
    """A window that runs no script, in which an operator is logged in."""
    context = browser.new_context(java_script_enabled=False, storage_state=operator_state)
    yield Visit(context.new_page(), site[0].base_url)
    context.close()


def log_in(visit: Visit, token: str = OPERATOR_TOKEN) -> None:
    """Fill in the log-in page, which is opened, and send it."""
    visit.open("/console/login")
    visit.page.get_by_label("Your name in the audit trail").fill("on-call-eu")
    visit.page.get_by_label("Operator token").fill(token)
    visit.page.get_by_role("button", name="Log in").click()


@pytest.fixture
def caller(site: tuple[RunningService, Caller]) -> Caller:
    """A caller with a key of the running service."""
    return site[1]


@pytest.fixture
def screenshots(request: pytest.FixtureRequest) -> Path | None:
    """The folder of `--screenshots`, made if it does not exist."""
    return _folder(request.config.getoption("--screenshots"))


@pytest.fixture
def pictures(request: pytest.FixtureRequest) -> Path | None:
    """The folder of `--pictures`, made if it does not exist."""
    return _folder(request.config.getoption("--pictures"))


def _folder(given: str | None) -> Path | None:
    if given is None:
        return None
    folder = Path(os.environ.get("CALLER_DIR", "."), given)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
