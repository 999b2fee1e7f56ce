"""Read JSON strictly: UTF-8 only, no NaN, no name twice in one object.

orjson silently keeps the last of two members with one name. So members are counted twice: in the
text, where each has a colon after a quote, and in the value. Only if the counts differ, the text is
parsed again, slowly, to find the repeated names.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson

_BLANKS = b" \t\n\r"
# A batch of 500 full turns has 30,000. The cap keeps a body from costing much more than that.
MAX_COUNTED = 100_000
_TOO_MANY = (
    f"has more than {MAX_COUNTED:,} values, too many to find out whether a name is repeated: send "
    "fewer at once"
)
_NO_NUMBER = re.compile("NaN|Infinity", re.IGNORECASE)
_DIGITS = re.compile("-?[0-9]")


class InvalidJson(ValueError):
    """Text that is not JSON; the message follows the name of what was read."""


class RepeatedNames(dict[str, Any]):
    """An object that contains some of its names more than once; schemas refuse it."""

    def __init__(self, members: Sequence[tuple[str, Any]]) -> None:
        super().__init__(members)
        counts = Counter(name for name, _ in members)
        self.repeated = [name for name, count in counts.items() if count > 1]


def parse(text: bytes) -> Any:
    """Return the value of `text`; InvalidJson if it is not JSON."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(_reason(error)) from None
    return _parse_members(text) if _may_repeat_names(text, value) else value


def _may_repeat_names(text: bytes, value: Any) -> bool:
    """Return False only if no object in `text` repeats a name.

    The text has at least as many quotes before colons as members: strings may add to them.
    InvalidJson if that takes more than `MAX_COUNTED` values.
    """
    uncounted = text.translate(None, _BLANKS).count(b'":')
    waiting = [value]
    for part in waiting:
        if type(part) is dict:
            uncounted -= len(part)
            if not uncounted:
                return False
            waiting.extend(part.values())
        elif type(part) is list:
            waiting.extend(part)
        if len(waiting) > MAX_COUNTED:
            raise InvalidJson(_TOO_MANY)
    return uncounted > 0


def _parse_members(text: bytes) -> Any:
    try:
        return json.loads(text.decode(), object_pairs_hook=_object)
    except RecursionError:
        raise InvalidJson("nests lists or objects too deeply") from None


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    return found if len(found) == len(members) else RepeatedNames(members)


def _reason(error: orjson.JSONDecodeError) -> str:
    if _NO_NUMBER.match(error.doc, error.pos):
        return "contains NaN or Infinity, which JSON does not have: send null"
    if _DIGITS.match(error.doc, error.pos) and "infinity" in error.msg:
        return "contains a number that is too large"
    return "is not valid JSON in UTF-8"
