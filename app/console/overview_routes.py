"""The overview: what the service answers now, who is near a ceiling, and who is limited."""

from typing import Any

from app.audit.trail import AuditTrail
from app.console.audit_rows import entry_rows
from app.console.frame import REFRESH_S, Page, console_page
from app.console.overview.drawings import draw
from app.console.overview.health import find_health
from app.console.overview.limited import find_limited
from app.console.overview.near import find_near
from app.console.overview.now import find_now
from app.console.overview.query import OverviewQuery
from app.console.overview.traffic import find_traffic
from app.console.parts import part
from app.http.application import provided
from app.http.instants import format_datetime, utc_now
from app.tenancy.directory.service import Directory

MOST_CHANGES = 5


@console_page("")
def overview() -> Page:
    """Show the overview."""
    query = OverviewQuery.load()
    data = find_overview(query)
    shown = {
        "range": query.range,
        "ranges": query.range_links(),
        "thresholds": query.threshold_links(),
    }
    return Page("overview.html", data, REFRESH_S, charts={**draw(data), **shown})


def find_overview(query: OverviewQuery) -> dict[str, Any]:
    """Return the data of the overview; each part fails on its own."""
    return {
        "as_of": format_datetime(utc_now()),
        "range": query.range_name,
        "health": part(find_health),
        "now": part(find_now),
        "traffic": part(lambda: find_traffic(query.range)),
        "near": part(lambda: find_near(query.threshold)),
        "limited": part(find_limited),
        "changes": part(_find_changes),
    }


def _find_changes() -> dict[str, Any]:
    newest = provided(AuditTrail).list_(at_most=MOST_CHANGES)
    return {"entries": entry_rows(newest, provided(Directory))}
