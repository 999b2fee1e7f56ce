"""Log damaged notes of the worker, which must fail neither a probe nor a scrape."""

import structlog

from app.http.frames import frames_of

_log = structlog.get_logger("turnledger.health")


def note_unreadable(reader: str, error: Exception) -> None:
    """Log that `reader` (`readyz` or `metrics`) leaves the worker's figures out, and why."""
    _log.error(
        "readings_unreadable",
        reader=reader,
        error=type(error).__name__,
        at=frames_of(error),
        next_step="look at the collection `upkeep`; a document that is deleted is written anew",
    )
