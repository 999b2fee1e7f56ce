"""Decode gzip bodies within the cap of their route."""

import zlib

from app.http.request_errors import DecodedBodyTooLarge, InvalidFields, field_error

MAX_RATIO = 100
MAX_MEMBERS = 16
# A short body may be as repetitive as it likes.
_FREE_BYTES = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS


def gunzip(encoded: bytes, max_bytes: int) -> bytes:
    """Return the decoded body.

    Raises InvalidFields for broken gzip, DecodedBodyTooLarge for more than `max_bytes` or for more
    than `MAX_RATIO` times the size of `encoded`. At most one byte beyond that is ever decoded.
    """
    cap = min(max_bytes, max(_FREE_BYTES, MAX_RATIO * len(encoded)))
    decoded, rest = bytearray(), encoded
    for _ in range(MAX_MEMBERS):
        rest = _decode_member(rest, decoded, cap)
        if len(decoded) > cap:
            raise DecodedBodyTooLarge(max_bytes, MAX_RATIO)
        if not rest:
            return bytes(decoded)
    raise _broken(f"has more than {MAX_MEMBERS} gzip members; send one")


def _decode_member(encoded: bytes, decoded: bytearray, cap: int) -> bytes:
    """Append the first member to `decoded`, up to one byte over `cap`; return what follows it."""
    member = zlib.decompressobj(_GZIP)
    try:
        decoded += member.decompress(encoded, cap + 1 - len(decoded))
    except zlib.error:
        raise _broken("is not valid gzip; send it again, or without Content-Encoding") from None
    if not member.eof and len(decoded) <= cap:
        raise _broken("ends in the middle of its gzip data; send all of it")
    return member.unused_data


def _broken(message: str) -> InvalidFields:
    return InvalidFields([field_error("body", "invalid_gzip", f"`body` {message}.")])
