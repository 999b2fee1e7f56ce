"""Compress answers with gzip for clients that accept it.

| sent as it is | because |
| --- | --- |
| an answer below `LEAST_BYTES` | it fits into one packet anyway |
| one with a `Content-Encoding`, or of another type than text and JSON | it is compressed already |
| 204, 206, 304 | it has no body, or a part of one that is not compressed |

A streamed answer is compressed piece by piece, in constant memory.
"""

import re
import zlib
from collections.abc import Iterator
from functools import lru_cache

from flask import Response

LEAST_BYTES = 1_024
# Level 6 takes three times the CPU for a fifth fewer bytes of a list.
_LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS
_WITHOUT_WHOLE_BODY = frozenset({204, 206, 304})
_TYPES = frozenset({"application/json", "application/x-ndjson", "image/svg+xml"})
# Browsers send some 30 characters. A longer header is not read: answers without gzip are valid.
_MOST_CHARACTERS = 256
# RFC 9110, 12.4.2 and 12.5.3: a coding and its weight.
_ELEMENT = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9a-z-]+)[ \t]*"
    r"(?:;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?",
    re.ASCII | re.IGNORECASE,
)


def compress(answer: Response, accept_encoding: str) -> None:
    """Compress the body of `answer` if that is worth it and the request's header accepts gzip."""
    if not (_is_compressible(answer) and accepts_gzip(accept_encoding)):
        return
    if answer.is_streamed:
        answer.response = _GzipStream(answer)
        answer.direct_passthrough = False
        answer.headers.pop("Content-Length", None)
    else:
        answer.set_data(zlib.compress(answer.get_data(), _LEVEL, _GZIP))
    answer.headers["Content-Encoding"] = "gzip"
    tag = answer.headers.get("ETag", "W/")
    if not tag.startswith("W/"):  # the plain form has the same tag, so it is weak now
        answer.headers["ETag"] = f"W/{tag}"


def _is_compressible(answer: Response) -> bool:
    if answer.status_code in _WITHOUT_WHOLE_BODY or "Content-Encoding" in answer.headers:
        return False
    length = answer.content_length if answer.is_streamed else len(answer.get_data())
    if length is not None and length < LEAST_BYTES:
        return False
    kind = answer.mimetype or ""
    return kind in _TYPES or kind.startswith("text/")


def accepts_gzip(header: str) -> bool:
    """Return True if a header `Accept-Encoding` accepts gzip; False if the header is long."""
    return len(header) <= _MOST_CHARACTERS and _prefers_gzip(header)


@lru_cache(maxsize=256)
def _prefers_gzip(header: str) -> bool:
    """Return True if gzip is accepted and has no lower weight than an unchanged answer.

    Elements that break the grammar are ignored; of several weights of a coding the lowest counts.
    """
    weights: dict[str, float] = {}
    for element in header.split(","):
        found = _ELEMENT.fullmatch(element)
        if found is not None:
            coding, weight = found[1].lower(), float(found[2] or 1)
            weights[coding] = min(weight, weights.get(coding, weight))
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0)))
    return gzip > 0 and gzip >= weights.get("identity", 0)


class _GzipStream:
    """The compressed parts of a streamed answer; `close` closes what produces them."""

    def __init__(self, answer: Response) -> None:
        self._source = answer.response
        self._parts = answer.iter_encoded()

    def __iter__(self) -> Iterator[bytes]:
        coder = zlib.compressobj(_LEVEL, wbits=_GZIP)
        for part in self._parts:
            yield coder.compress(part)  # empty until the coder has enough
        yield coder.flush()

    def close(self) -> None:
        """Close the source, also if it was never read."""
        if hasattr(self._source, "close"):
            self._source.close()
