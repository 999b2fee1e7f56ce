"""Make, parse and verify API keys without any store.

A key is `uniq_live_` or `uniq_test_`, an 8-character look-up id, a 32-character secret (190 bits)
and 6 check digits: the CRC-32 of everything before them. So a mistyped key never costs a store
call, and a leak scanner can verify a hit offline. The alphabet is base62.
"""

import hashlib
import hmac
import re
import secrets
from binascii import crc32
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.tenancy.model import Environment

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LOOKUP_LENGTH = 8
SECRET_LENGTH = 32
CHECK_LENGTH = 6
# The first characters of the look-up id, which lists show.
HINT_LENGTH = 4

_PATTERN = re.compile(
    rf"uniq_(live|test)_([0-9A-Za-z]{{{LOOKUP_LENGTH}}})([0-9A-Za-z]{{{SECRET_LENGTH}}})"
    rf"[0-9A-Za-z]{{{CHECK_LENGTH}}}"
)
_IN_TEXT = re.compile(rf"uniq_(?:live|test)_[0-9A-Za-z]{{{HINT_LENGTH + 1},}}")
TOKEN_LENGTH = len("uniq_live_") + LOOKUP_LENGTH + SECRET_LENGTH + CHECK_LENGTH


class MalformedKey(ValueError):
    """A token with a wrong form or wrong check digits."""


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A token with the right form and check digits; it need not have been issued."""

    token: str = field(repr=False)
    environment: Environment
    lookup: str


def generate(
    environment: Environment, choice: Callable[[Sequence[str]], str] = secrets.choice
) -> ParsedKey:
    """Make a random key; `choice` picks one character of the alphabet, all equally likely."""
    body = "".join(choice(ALPHABET) for _ in range(LOOKUP_LENGTH + SECRET_LENGTH))
    return _assemble(environment, body)


def derive(environment: Environment, pepper: str, *context: str) -> ParsedKey:
    """Derive the one key of this context and pepper: the same input gives the same key.

    512 bits of HMAC become 238 bits of base62, so the bias of the characters is below 2**-270.
    """
    message = "\0".join(("api-key", environment.value, *context)).encode()
    number = int.from_bytes(hmac.digest(pepper.encode(), message, hashlib.sha512))
    return _assemble(environment, _base62(number, LOOKUP_LENGTH + SECRET_LENGTH))


def parse(token: str) -> ParsedKey:
    """Take a token apart; MalformedKey if its form or its check digits are wrong."""
    match = _PATTERN.fullmatch(token) if len(token) == TOKEN_LENGTH else None
    if match is None or _check_digits(token[:-CHECK_LENGTH]) != token[-CHECK_LENGTH:]:
        raise MalformedKey("Not an API key: its form or its check digits are wrong.")
    return ParsedKey(token, Environment(match[1]), match[2])


def digest(token: str, pepper: str) -> str:
    """Return the digest that is stored instead of the key: HMAC-SHA-256 in hexadecimal."""
    return hmac.digest(pepper.encode(), token.encode(), hashlib.sha256).hex()


def matches(token: str, stored_digest: str, peppers: Sequence[str]) -> bool:
    """Return True if the stored digest is that of this token under any of the peppers."""
    return any(hmac.compare_digest(digest(token, pepper), stored_digest) for pepper in peppers)


def display(token: str) -> str:
    """Return a key as lists show it: prefix, four characters, three dots."""
    return f"{token[: len('uniq_live_') + HINT_LENGTH]}..."


def redact(text: str) -> str:
    """Return `text` with each key in it, or part of one, as lists show it."""
    return _IN_TEXT.sub(lambda found: display(found[0]), text)


def _assemble(environment: Environment, body: str) -> ParsedKey:
    unchecked = f"uniq_{environment.value}_{body}"
    token = unchecked + _check_digits(unchecked)
    return ParsedKey(token, environment, body[:LOOKUP_LENGTH])


def _check_digits(text: str) -> str:
    return _base62(crc32(text.encode()), CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
