"""Send an export as a stream, and report its end."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator

import structlog

from app.http.frames import frames_of
from app.interactions.export_formats import Format, Trailer
from app.interactions.model import Item
from app.observability.exports import ExportEnd, ExportSource, Outcome, report_export
from app.serving.pipes import StreamBroken
from app.serving.streams import STREAM_S

_log = structlog.get_logger("turnledger.exports")
# Of an expected error: returns its reason, and counts it if it is an outage. None for any other.
FindReason = Callable[[Exception], str | None]


class ExportStream:
    """The chunks of an export's answer: head, lines, and the trailer if nothing went wrong.

    | end | outcome | trailer |
    | --- | --- | --- |
    | every turn was sent | complete | yes |
    | the client disconnected, or reads nothing | aborted | no |
    | it took longer than `STREAM_S` | timeout | no |
    | MongoDB was unavailable, or a fault of ours | failed | no |
    | the key was revoked or has expired, or its organization is suspended | failed | no |

    Without a trailer the server closes the connection. The end is reported once, by `close`.
    """

    def __init__(
        self,
        chunks: Iterable[list[Item]],
        format_: Format,
        source: ExportSource,
        require_access: Callable[[], None],
        find_reason: FindReason,
    ) -> None:
        self._chunks, self._format, self._source = chunks, format_, source
        self._require_access, self._find_reason = require_access, find_reason
        self._digest = hashlib.sha256()
        self._rows_count = self._bytes_count = 0
        self._last_id: str | None = None
        self._outcome: Outcome | None = None
        self._reason: str | None = None
        self._began_s = time.monotonic()
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks; StreamBroken if the answer cannot be completed."""
        self._began_s = time.monotonic()
        try:
            yield from self._lines()
        except Exception as error:
            self._fail(error)
            raise StreamBroken from None
        if self._is_late():
            raise StreamBroken
        trailer = Trailer(self._rows_count, self._digest.hexdigest(), self._last_id)
        yield self._counted(self._format.trailer(trailer))
        self._outcome = Outcome.COMPLETE

    def close(self) -> None:
        """Report the end of the export; only the first call has an effect."""
        if self._is_closed:
            return
        self._is_closed = True
        outcome = self._outcome or (Outcome.TIMEOUT if self._is_late() else Outcome.ABORTED)
        report_export(
            ExportEnd(
                self._source,
                outcome=outcome,
                rows_count=self._rows_count,
                bytes_count=self._bytes_count,
                duration_s=time.monotonic() - self._began_s,
                reason=self._reason,
            )
        )

    def _fail(self, error: Exception) -> None:
        self._outcome = Outcome.FAILED
        self._reason = self._find_reason(error)
        if self._reason is None:
            self._reason = type(error).__name__
            _log.error(
                "unexpected_error",
                requestId=self._source.request_id,
                organization=self._source.organization,
                error=self._reason,
                at=frames_of(error),
            )

    def _lines(self) -> Iterator[bytes]:
        """Yield head and lines until the end, or until the time is over."""
        if self._format.head:
            yield self._counted(self._format.head)
        for items in self._chunks:
            if self._is_late():
                return
            self._require_access()
            if items:
                self._rows_count += len(items)
                self._last_id = items[-1]["interaction_id"]
            # An empty chunk during a long search lets the server notice that the client is gone.
            yield self._counted(self._format.lines(items))

    def _counted(self, chunk: bytes) -> bytes:
        self._digest.update(chunk)
        self._bytes_count += len(chunk)
        return chunk

    def _is_late(self) -> bool:
        return time.monotonic() - self._began_s > STREAM_S
