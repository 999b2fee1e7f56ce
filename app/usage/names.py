"""Bound the names that a day of an account keeps, so that nobody can fill its document."""

from collections.abc import Collection, Mapping

OTHERS = "~others"  # no pattern of a name allows it
# Stands for the names of turns that have none: imports have no key, many failed turns no model.
NO_NAME = "~none"
# Names that a bucket of an answer shows; the turns of the others are counted as `OTHERS`.
MAX_SHOWN = 100
_OWN = frozenset({OTHERS, NO_NAME})


def left_out(added: Mapping[str, int], known: Collection[str], most: int) -> set[str]:
    """Return the names of `added` for which a day that has `known` has no room.

    A day keeps `most` names, and our own ones. Of new names those with the most turns are kept.
    """
    new = [name for name in added if name not in known and name not in _OWN]
    room = max(most - len(known) + sum(name in known for name in _OWN), 0)
    if len(new) <= room:  # nearly always
        return set()
    return set(sorted(new, key=lambda name: (-added[name], name))[room:])
