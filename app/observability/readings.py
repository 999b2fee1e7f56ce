"""Log damaged figures of the worker, which must fail neither a probe nor a scrape."""

import structlog

from app.http.frames import frames_of

_log = structlog.get_logger("turnledger.health")


def note_unreadable(reader: str, error: Exception) -> None:
    """Log that `reader` (`readyz` or `metrics`) left out the worker's figures, and the reason."""
    _log.error(
        "readings_unreadable",
        reader=reader,
        error=type(error).__name__,
        at=frames_of(error),
        next_step="check the collection `upkeep`; a deleted document is written again",
    )
