"""Select the turns that can be summed; the archive sets the others aside, uncounted.

Older releases, restored dumps and writes beside the API leave rows that lack fields or hold others.
A turn can be summed if it has a status and a latency, which every number relies on; what else it
lacks counts as nothing.
"""

import re

from app.interactions.model import STATUSES

# The most that the database converts to a whole number of its smaller kind, 24 days.
_MOST_LATENCY_MS = 2**31 - 1
NO_ARRAY = {"$not": {"$type": "array"}}  # an array would match by one of its elements
SUMMABLE = {
    "account": NO_ARRAY,
    "day": NO_ARRAY,
    "status": {"$in": list(STATUSES), **NO_ARRAY},
    "latency_ms": {"$gte": 0, "$lte": _MOST_LATENCY_MS, **NO_ARRAY},
}
NOT_SUMMABLE = {"$nor": [SUMMABLE]}
# A day that had turns in every minute of its 180 days would have 260,000 fences.
IS_OPEN = {"$gte": 0, "$lt": 2**24}
# The archive finds open turns by these; a row that lacks one of them it would never meet.
REACHABLE = {
    "account": {"$gt": "", **NO_ARRAY},
    "day": {"$regex": r"^\d{4}-\d{2}-\d{2}$", **NO_ARRAY},
    "open": {**IS_OPEN, **NO_ARRAY},
}
_NAME = re.compile(r"[!-~]{1,200}", re.ASCII)


def is_name(value: object) -> bool:
    """Return True if `value` may be a name in a roll-up: visible ASCII of any release's names."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None
