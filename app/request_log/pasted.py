"""Read the id of a request from what somebody has pasted."""

import re

from app.http.rules import ULID_PATTERN

_ID = re.compile(rf"(?<![0-9A-Za-z_]){ULID_PATTERN}(?![0-9A-Za-z_])", re.IGNORECASE)


def find_request_id(text: str) -> str | None:
    """Return the only id in a text, such as `X-Request-Id: 01M8…`; None for none or several."""
    found = {each[0].upper() for each in _ID.finditer(text)}
    return found.pop() if len(found) == 1 else None
