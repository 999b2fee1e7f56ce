"""Checks of an open page: accessibility by axe, and its width."""

from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import Visit

AXE = Axe()
# Findings of these impacts fail; the page of Swagger UI has minor ones of its own.
SERIOUS = {"serious", "critical"}


def findings(visit: Visit) -> list[str]:
    """Return the serious findings of axe, each with the first element that has it."""
    violations = AXE.run(visit.page).response["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}"
        for each in violations
        if each["impact"] in SERIOUS
    ]


def overhang(visit: Visit) -> int:
    """Return the pixels by which the page is wider than its window."""
    script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(visit.page.evaluate(script))
