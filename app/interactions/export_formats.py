"""The formats of an export: NDJSON and CSV, each with a trailer as its last line.

A line of NDJSON is an item, byte for byte as a list shows it.

CSV follows RFC 4180:

* The first line names `COLUMNS`. A null is an empty cell, and a list's elements are separated by
  spaces.
* A text that begins with one of `=`, `+`, `-`, `@` gets an apostrophe before it. Ids may begin so,
  and spreadsheets would run them as formulas. No id has an apostrophe, so it can be removed again.
* The trailer has as many cells as every line: `trailer`, count, SHA-256, last id, and empty ones.
"""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from math import isfinite
from typing import Any

import orjson

from app.http.accept import CSV, NDJSON
from app.interactions.columns import COLUMNS, cells_of
from app.interactions.model import Item

# What spreadsheets take for the beginning of a formula.
_FORMULA = frozenset("=+-@\t\r")


@dataclass(frozen=True, slots=True)
class Trailer:
    """The last line of a complete answer: its turns, and the digest of all lines before it."""

    count: int
    sha256: str
    last_interaction_id: str | None


@dataclass(frozen=True, slots=True)
class Format:
    """How an export is written: its first line, the lines of items, and its last line."""

    head: bytes
    lines: Callable[[Iterable[Item]], bytes]
    trailer: Callable[[Trailer], bytes]


def _ndjson_lines(items: Iterable[Item]) -> bytes:
    return b"".join(
        orjson.dumps(item, default=lambda _: None, option=orjson.OPT_APPEND_NEWLINE)
        for item in items
    )


def _ndjson_trailer(trailer: Trailer) -> bytes:
    return orjson.dumps({"trailer": trailer}, option=orjson.OPT_APPEND_NEWLINE)


def _csv_lines(items: Iterable[Item]) -> bytes:
    return _table([_cell(value) for value in cells_of(item)] for item in items)


def _csv_trailer(trailer: Trailer) -> bytes:
    cells = ["trailer", trailer.count, trailer.sha256, trailer.last_interaction_id]
    return _table([cells + [None] * (len(COLUMNS) - len(cells))])


def _table(rows: Iterable[Sequence[Any]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """Return a value as a cell; None, an empty cell, for one that JSON shows as null."""
    kind = type(value)
    if kind is str:
        return f"'{value}" if value[:1] in _FORMULA else value
    if kind is int or value is None:  # most others
        return value
    if kind is bool:
        return "true" if value else "false"
    if kind is list:
        return _cell(" ".join(each for each in value if isinstance(each, str)))
    if kind is float:
        return value if isfinite(value) else None
    return int(value) if isinstance(value, int) else None


FORMATS: Mapping[str, Format] = {
    NDJSON: Format(b"", _ndjson_lines, _ndjson_trailer),
    CSV: Format(_table([COLUMNS]), _csv_lines, _csv_trailer),
}
