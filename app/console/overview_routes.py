"""The overview: what the service answers now, who is near a ceiling, and who is limited."""

from app.console.frame import Page, console_page
from app.http.instants import format_datetime, utc_now


@console_page("")
def overview() -> Page:
    """Show the overview."""
    return Page("overview.html", {"as_of": format_datetime(utc_now())}, refresh_s=30)
