"""Read the worker's figures, which must fail neither a probe nor a scrape."""

from collections.abc import Callable
from typing import TypeVar

import structlog

from app.http.frames import frames_of

T = TypeVar("T")
_log = structlog.get_logger("turnledger.health")


def find_figures(
    reader: str, read: Callable[[], T], failures: tuple[type[Exception], ...]
) -> T | None:
    """Return what `read` returns; None if it raises one of `failures`, or if a figure is damaged.

    Damaged figures are logged with `reader`, `readyz` or `metrics`, which leaves them out.
    """
    try:
        return read()
    except failures:
        return None
    except Exception as error:
        _log.error(
            "readings_unreadable",
            reader=reader,
            error=type(error).__name__,
            at=frames_of(error),
            next_step="check the collection `upkeep`; a deleted document is written again",
        )
        return None
