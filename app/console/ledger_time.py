"""The time by which keys expire."""

from datetime import datetime

from app.admission.clock import LedgerClock
from app.http.application import provided
from app.http.instants import datetime_of_us


def now() -> datetime:
    """Return the current time on Redis's clock, which decides when keys expire."""
    return datetime_of_us(provided(LedgerClock).now_us())
