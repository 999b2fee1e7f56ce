"""Log and count each export when its stream has ended."""

from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple

import structlog
from prometheus_client import Counter

_log = structlog.get_logger("turnledger.exports")
EXPORTS = Counter(
    "turnledger_exports",
    "Exports that have ended, by outcome: complete, aborted (the client disconnected or read "
    "nothing), timeout (took too long), or failed.",
    ["outcome"],
)
# A counter without a label would make its file at import, before there may be a folder for it.
EXPORTED_TURNS = Counter(
    "turnledger_exported_turns", "Turns sent by exports, by the outcome of the export.", ["outcome"]
)


class Outcome(StrEnum):
    """The end of an export."""

    COMPLETE = "complete"
    ABORTED = "aborted"
    TIMEOUT = "timeout"
    FAILED = "failed"


class ExportSource(NamedTuple):
    """The request that asked for an export."""

    request_id: str
    organization: str
    media_type: str


class ExportEnd(NamedTuple):
    """The facts of an ended export; `rows_count` includes turns that did not arrive."""

    source: ExportSource
    outcome: Outcome
    rows_count: int
    bytes_count: int
    duration_s: float
    reason: str | None


def report_export(end: ExportEnd) -> None:
    """Write the line of an export and count it."""
    write = _log.warning if end.outcome is Outcome.FAILED else _log.info
    # A full disk, or a file of metrics that cannot grow: the line or the count is lost.
    with suppress(OSError, IndexError):
        write(
            "export",
            requestId=end.source.request_id,
            organization=end.source.organization,
            mediaType=end.source.media_type,
            outcome=end.outcome.value,
            rows=end.rows_count,
            bytes=end.bytes_count,
            durationMs=round(end.duration_s * 1_000, 3),
            reason=end.reason,
        )
    with suppress(OSError, IndexError):
        EXPORTS.labels(end.outcome.value).inc()
        EXPORTED_TURNS.labels(end.outcome.value).inc(end.rows_count)
