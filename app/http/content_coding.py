"""Decode gzip bodies within the cap of their route."""

import zlib

from app.http.problems import Problem, field_error

MAX_RATIO = 100
MAX_MEMBERS = 16
# A short body may be as repetitive as it likes.
_FREE_BYTES = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS


def require_known_coding(content_encoding: str) -> None:
    """Raise the 415 for any coding of a body but gzip."""
    if not is_gzip(content_encoding) and _coding(content_encoding) not in {"", "identity"}:
        raise Problem(
            "unsupported_media_type",
            "Send the body as it is, or with Content-Encoding gzip.",
            details={"accepted_encodings": ["gzip", "identity"]},
            headers={"Accept-Encoding": "gzip, identity"},
        )


def is_gzip(content_encoding: str) -> bool:
    """Return True if a body is to be decoded."""
    return _coding(content_encoding) in {"gzip", "x-gzip"}


def _coding(content_encoding: str) -> str:
    return content_encoding.strip(" \t").lower()


def gunzip(encoded: bytes, max_bytes: int) -> bytes:
    """Return the decoded body.

    Raises Problem: 400 for broken gzip, 413 for more than `max_bytes`, or for more than
    `MAX_RATIO` times the size of `encoded`. No more than one byte beyond that is ever decoded.
    """
    cap = min(max_bytes, max(_FREE_BYTES, MAX_RATIO * len(encoded)))
    decoded, rest = bytearray(), encoded
    for _ in range(MAX_MEMBERS):
        rest = _decode_member(rest, decoded, cap)
        if len(decoded) > cap:
            raise _too_large(max_bytes)
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


def _broken(message: str) -> Problem:
    return Problem.invalid([field_error("body", "invalid_gzip", f"`body` {message}.")])


def _too_large(max_bytes: int) -> Problem:
    return Problem(
        "payload_too_large",
        f"The decoded body may have at most {max_bytes} bytes and {MAX_RATIO} times its size as "
        "sent; send less at a time.",
        details={"max_bytes": max_bytes, "max_ratio": MAX_RATIO},
    )
