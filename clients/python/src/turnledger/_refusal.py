"""The answer to a request whose turn the quota refuses."""

from __future__ import annotations

import math

from .errors import TurnledgerError

BODY = b"The quota of turns is spent.\n"


def headers_of(error: TurnledgerError) -> dict[str, str]:
    """Return the headers of a 429 with `BODY`."""
    return {"content-type": "text/plain; charset=utf-8", **retry_after(error)}


def retry_after(error: TurnledgerError) -> dict[str, str]:
    """Return `Retry-After` in whole seconds, rounded up; nothing if the wait is unknown."""
    if error.retry_after_s is None:
        return {}
    return {"retry-after": str(math.ceil(error.retry_after_s))}
