"""Await the bodies of requests on the event loop, within bounds of size, time and memory."""

import asyncio
from io import BytesIO
from typing import Any

from app.http.body import LARGEST_BYTES, UnreadBody
from app.http.problems import Problem

# A longer body is read up to here and thrown away, so that its client can hear the answer.
DISCARDED_BYTES = 8 * LARGEST_BYTES
# What the bodies of one worker may take together. Small ones are taken in any case: one for each
# connection that there can be takes 256 MiB.
HELD_BYTES = 64 * LARGEST_BYTES
SMALL_BYTES = 64 * 1024
_LATE = Problem("request_timeout", "The body did not arrive in time. Send it again.")
_NO_ROOM = Problem(
    "service_unavailable",
    "The service holds too many long bodies just now. Retry after 1 second.",
    retry_after_s=1,
)


class _NoRoom(Exception):
    """The bodies of others leave no room for a long one."""


class Bodies:
    """Read bodies and count what they take; each must arrive within `deadline_s`."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._held_bytes = 0

    async def read(self, environ: dict[str, Any], protocol: Any) -> tuple[BytesIO, bool]:
        """Return the body, and False if a part of it was left unread.

        A body longer than any route takes is cut behind its cap. A body that is late raises the 408
        when the application reads it, one that finds no memory the 503.
        """
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if not length and "HTTP_TRANSFER_ENCODING" not in environ:
            return BytesIO(), True
        if length > DISCARDED_BYTES:
            return BytesIO(), False
        kept = bytearray()
        try:
            async with asyncio.timeout(self._deadline_s):
                is_whole = await self._collect(protocol, kept)
        except (TimeoutError, _NoRoom) as error:
            self._held_bytes -= len(kept)
            return UnreadBody(_LATE if isinstance(error, TimeoutError) else _NO_ROOM), False
        return BytesIO(kept), is_whole

    def release(self, body: BytesIO) -> None:
        """Give back the memory of a body whose request has been answered."""
        self._held_bytes -= body.getbuffer().nbytes

    async def _collect(self, protocol: Any, kept: bytearray) -> bool:
        read_bytes = 0
        async for part in protocol:
            read_bytes += len(part)
            if len(kept) <= LARGEST_BYTES:
                self._held_bytes += len(part)
                kept += part
            if self._held_bytes > HELD_BYTES and len(kept) > SMALL_BYTES:
                raise _NoRoom
            if read_bytes > DISCARDED_BYTES:
                return False
        return True
