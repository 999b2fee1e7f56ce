r"""Write what standard output and error cannot show as escapes, never as a traceback.

A sign outside the stream's encoding becomes `\u00eb`, which JSON reads as the same sign.
"""

import codecs
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import IO

ESCAPE = "turnledger.escape"
# Python's own choices; somebody who has set another one gets it.
_DEFAULTS = ("strict", "surrogateescape")


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    with suppress(UnicodeError):
        signs = utf8_argument(signs)
    return "".join(map(_escaped, signs)), error.end


def _escaped(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


codecs.register_error(ESCAPE, _escape)


def escape_unknown_signs() -> None:
    """Have the process's streams escape what they cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors in _DEFAULTS:
            stream.reconfigure(errors=ESCAPE)


def shown(text: str, stream: IO[str]) -> str:
    """Return `text` as `stream` will show it; its length is then right for a table."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, ESCAPE).decode(encoding)


def utf8_argument(text: str) -> str:
    """Return a word of the command line that the locale could not read, read as UTF-8.

    ValueError if it is no UTF-8 either.
    """
    with suppress(UnicodeEncodeError):
        text.encode()
        return text
    return text.encode(errors="surrogateescape").decode()
