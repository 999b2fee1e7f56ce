"""Find messages in protobuf without decoding them, so that a short body cannot become a large one.

An empty span has two bytes, and hundreds once it is decoded.
https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator

from app.otlp.spans import MOST_SPANS, Malformed, too_many_spans

# Kinds of fields; numbers of a fixed size have their bytes in `_SIZES`.
_VARINT, _LENGTH = 0, 2
_SIZES = {1: 8, 5: 4}
_BROKEN = "is no ExportTraceServiceRequest in protobuf"
_MOST_SHIFT = 63


class MessageFinder:
    """Find messages in one body; Malformed once they are too many, or broken."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._left = MOST_SPANS

    def messages(self, start: int, end: int, number: int) -> Iterator[tuple[int, int]]:
        """Yield where the messages of a field begin and end, between `start` and `end`."""
        while start < end:
            self._left -= 1
            if self._left < 0:
                raise too_many_spans()
            tag, start = self._varint(start, end)
            if tag & 7 == _LENGTH:
                length, start = self._varint(start, end)
                if length <= end - start and tag >> 3 == number:
                    yield start, start + length
                start += length
            else:
                start = self._after_number(tag & 7, start, end)
        if start > end:
            raise Malformed(_BROKEN)

    def _after_number(self, kind: int, start: int, end: int) -> int:
        if kind == _VARINT:
            return self._varint(start, end)[1]
        if kind in _SIZES:
            return start + _SIZES[kind]
        raise Malformed(_BROKEN)

    def _varint(self, start: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while start < end and shift <= _MOST_SHIFT:
            byte = self._body[start]
            start += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, start
            shift += 7
        raise Malformed(_BROKEN)
