"""List the differences between two sides as lines for people."""

import json
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from itertools import zip_longest

from scripts.lib.conversation.exchange import Exchange
from scripts.lib.conversation.side import Recorded

# Members of a body whose text is written for people.
_TEXTS = frozenset({"message", "description", "summary", "title"})
_MOST_LINES = 60


def differences(old: Recorded, new: Recorded) -> Iterator[str]:
    """Return a line for each difference: of answers, then of stored data."""
    for one, other in zip_longest(old.exchanges, new.exchanges):
        if one is None or other is None:
            yield f"only one side goes on with: {(one or other).label}"
            return
        yield from _of_exchanges(one, other)
    for moment in dict.fromkeys([*old.stored, *new.stored]):
        yield from _of_lines(moment, old.stored.get(moment, []), new.stored.get(moment, []))


def texts_changed(old: Recorded, new: Recorded) -> list[tuple[str, str]]:
    """Return each pair of different texts for people, once."""
    pairs = {
        (before, after)
        for one, other in zip(old.exchanges, new.exchanges, strict=False)
        for path, before, after in _of_values(_parsed(one.body), _parsed(other.body))
        if path.rpartition(".")[2] in _TEXTS
    }
    return sorted(pairs)


def _of_exchanges(one: Exchange, other: Exchange) -> Iterator[str]:
    if one == other:
        return
    yield f"=== {one.label}"
    if one.label != other.label:
        yield f"  request: {one.label} → {other.label}"
    if one.status_line != other.status_line:
        yield f"  status: {one.status_line} → {other.status_line}"
    yield from (f"  header {line}" for line in _of_lines("", one.headers, other.headers))
    if one.body != other.body:
        yield from _of_bodies(one.body, other.body)


def _of_bodies(one: str, other: str) -> Iterator[str]:
    before, after = _parsed(one), _parsed(other)
    if before is None or after is None:
        yield from (f"  body {line}" for line in _of_lines("", one.split("\n"), other.split("\n")))
        return
    found = list(_of_values(before, after))
    yield from (f"  body {path}: {old} → {new}" for path, old, new in found[:_MOST_LINES])
    if not found:
        yield f"  body: the same values in other bytes: {one[:400]} → {other[:400]}"


def _of_values(one: object, other: object, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Return path, old and new of each different value of two JSON documents."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys([*one, *other]):
            yield from _of_values(one.get(name, "∅"), other.get(name, "∅"), f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (before, after) in enumerate(zip(one, other, strict=True)):
            yield from _of_values(before, after, f"{path}.{number}")
    elif one != other or type(one) is not type(other):
        yield path, _shown(one), _shown(other)


def _of_lines(title: str, one: Sequence[str], other: Sequence[str]) -> Iterator[str]:
    if list(one) == list(other):
        return
    if title:
        yield f"=== {title}"
    lines = list(unified_diff(list(one), list(other), lineterm="", n=0))[2:]
    yield from (line for line in lines[:_MOST_LINES] if not line.startswith("@@"))
    if len(lines) > _MOST_LINES:
        yield f"… and {len(lines) - _MOST_LINES} lines more"


def _parsed(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
