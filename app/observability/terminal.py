r"""Escape characters that standard output and error cannot encode, so that printing never fails.

Such a character becomes `\u00eb`, which JSON reads as the same character. Tables and sentences also
escape control characters of stored texts, which a terminal would obey.
"""

import codecs
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import IO

ESCAPE = "turnledger.escape"
# Python's defaults; another setting of the user is respected.
_DEFAULTS = ("strict", "surrogateescape")


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    with suppress(UnicodeError):
        characters = utf8_argument(characters)
    return "".join(map(_escaped, characters)), error.end


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


codecs.register_error(ESCAPE, _escape)


def escape_unknown_signs() -> None:
    """Make the process's output streams escape characters that they cannot encode."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors in _DEFAULTS:
            stream.reconfigure(errors=ESCAPE)


def shown(text: str, stream: IO[str]) -> str:
    """Return `text` as `stream` will show it, so that a table can measure it."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, ESCAPE).decode(encoding)


def printable(text: str) -> str:
    """Return `text` with control characters and line breaks as escapes."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def printable_lines(text: str) -> str:
    """Return `text` with control characters as escapes, but for its line breaks."""
    return "\n".join(map(printable, text.split("\n")))


def utf8_argument(text: str) -> str:
    """Decode as UTF-8 an argument of the command line that the locale could not decode.

    Raises ValueError if it is not UTF-8 either.
    """
    with suppress(UnicodeEncodeError):
        text.encode()
        return text
    return text.encode(errors="surrogateescape").decode()
