"""Check names of OpenTelemetry attributes, and the personality of spans that name none.

The text of the ValueError is a fix.
"""

import re

MOST_NAMES = 10
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
_PERSONALITY = re.compile(r"[A-Za-z0-9._:/-]{1,64}", re.ASCII)


def parse_attributes(text: str) -> tuple[str, ...]:
    """Return the names of a comma-separated list; ValueError for anything else."""
    names = tuple(name.strip(" \t") for name in text.split(","))
    if len(names) > MOST_NAMES or any(_NAME.fullmatch(name) is None for name in names):
        raise ValueError(
            f"set at most {MOST_NAMES} names of attributes, such as user.id,enduser.id"
        )
    return names


def require_personality(text: str) -> None:
    """Raise ValueError unless a turn may have `text` as its personality."""
    if _PERSONALITY.fullmatch(text) is None:
        raise ValueError("set 1 to 64 letters, digits and signs of ._:/-")
