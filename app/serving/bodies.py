"""Await the bodies of requests on the event loop, within bounds of size, time and memory."""

import asyncio
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from app.http.body import LARGEST_BYTES, UnreadBody, incomplete_body
from app.http.request_errors import BodyMemoryExhausted, BodyTimeout, RequestError

# A longer body is read up to here and thrown away, so that its client can hear the answer.
DISCARDED_BYTES = 8 * LARGEST_BYTES
# What the bodies of one worker may take together. Beyond it the long body that has been arriving
# longest is given up: one that stalls, and none that comes at once.
HELD_BYTES = 64 * LARGEST_BYTES
SMALL_BYTES = 64 * 1024


@dataclass(slots=True, eq=False)
class _Arrival:
    """A body that is arriving; `timeout` ends it, because it is late or to make room."""

    timeout: asyncio.Timeout
    kept: bytearray = field(default_factory=bytearray)
    read_bytes: int = 0
    ends_count: int = 0
    is_given_up: bool = False


class Bodies:
    """Read bodies and count what they take; each must arrive within `deadline_s`."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._held_bytes = 0
        self._arriving: dict[_Arrival, None] = {}  # the one that began first is first

    async def read(self, environ: dict[str, Any], protocol: Any) -> tuple[BytesIO, bool]:
        """Return the body, and False if a part of it was left unread.

        A body longer than any route takes is cut behind its cap. One that is late, finds no room or
        breaks off raises its error when the application reads it.
        """
        length = int(environ.get("CONTENT_LENGTH") or 0)
        is_chunked = "HTTP_TRANSFER_ENCODING" in environ
        if not length and not is_chunked:
            return BytesIO(), True
        if length > DISCARDED_BYTES:
            return BytesIO(), False
        arrival = _Arrival(asyncio.timeout(self._deadline_s))
        self._arriving[arrival] = None
        error: RequestError | None = None
        is_whole = False
        try:
            async with arrival.timeout:
                is_whole = await self._collect(protocol, arrival)
            if is_whole and _is_broken(arrival, None if is_chunked else length, environ):
                error = incomplete_body()
        except TimeoutError:
            # New ones each time: an exception that is raised again keeps the frames of every time.
            error = BodyMemoryExhausted() if arrival.is_given_up else BodyTimeout()
        finally:
            del self._arriving[arrival]
        if error is not None:
            self._held_bytes -= len(arrival.kept)
            return UnreadBody(error), False
        return BytesIO(arrival.kept), is_whole

    def release(self, body: BytesIO) -> None:
        """Give back the memory of a body whose request has been answered."""
        self._held_bytes -= body.getbuffer().nbytes

    async def _collect(self, protocol: Any, arrival: _Arrival) -> bool:
        async for part in protocol:
            arrival.read_bytes += len(part)
            arrival.ends_count += not part
            if len(arrival.kept) <= LARGEST_BYTES:
                self._held_bytes += len(part)
                arrival.kept += part
            if self._held_bytes > HELD_BYTES:
                self._make_room()
            if arrival.read_bytes > DISCARDED_BYTES:
                return False
        if arrival.is_given_up:
            raise TimeoutError
        return True

    def _make_room(self) -> None:
        for arrival in self._arriving:
            # One that has expired ends by itself, and cannot be ended again.
            is_ending = arrival.is_given_up or arrival.timeout.expired()
            if len(arrival.kept) > SMALL_BYTES and not is_ending:
                arrival.is_given_up = True
                arrival.timeout.reschedule(0)
                return


def _is_broken(arrival: _Arrival, length: int | None, environ: dict[str, Any]) -> bool:
    """Return True if the body broke off or its chunks made no sense.

    Granian ends a body with one empty part, and puts another before it where hyper has failed, or
    where trailers came.
    """
    if length is not None:
        return arrival.read_bytes != length
    return arrival.ends_count > 1 and "HTTP_TRAILER" not in environ
