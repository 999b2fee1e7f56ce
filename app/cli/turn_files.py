"""Files of turns: one recording a line, as JSON or as CSV.

A CSV file names its columns in the first line, a field within an object by a dot
(`usage.input_tokens`). Cells are read by the field's type, a list's elements are separated by
spaces, and an empty cell is left out.

Files of pandas are read for what they mean, here and nowhere else:

* 374.0 is 374. A column of integers with gaps is one of floats there.
* A cell that is NaN is an empty cell: a missing text is written so, too.
* An instant may have a blank in place of its T.

Every line is read by itself, because no field of a turn may hold a line break: a quote that is left
open costs its own line and no other.
"""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import IO, Any

import click
from marshmallow import Schema, fields

from app.http.fields import Boolean, ExactInstant, Integer, ListOf, Number, Part
from app.http.strict_json import InvalidJson, parse
from app.http.validation import short_name
from app.interactions.schemas import TurnSchema
from app.observability.terminal import printable

# A turn has some 10 KB at most; a file without line breaks must not fill the memory.
MAX_LINE_BYTES = 1 << 20
_MAX_NAMED = 5
_BOOLEANS = {"true": True, "false": False}
# More digits than any field allows, and few enough to be read.
_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)

_BLANK_FOR_T = re.compile(r"^([0-9]{4}-[0-9]{2}-[0-9]{2}) (?=[0-9]{2}:)")
# Called with the number of bytes that were read.
Report = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Line:
    """The body on a line, or the reason why there is none: `fault` follows the line's number."""

    number: int
    body: Any = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class _Column:
    """Where a cell goes, and how it is read."""

    path: Sequence[str]
    read: Callable[[str], Any]


class _Unreadable(Exception):
    """A line that is no recording, in words that follow its number."""


def read_ndjson(stream: IO[bytes], report: Report) -> Iterator[Line]:
    """Yield every line that is not blank."""
    return _read_each(_lines(stream, report), _object)


def read_csv(stream: IO[bytes], report: Report) -> Iterator[Line]:
    """Yield every line after the first, except blank ones.

    ClickException if the first does not name columns that a turn has, each once.
    """
    lines = _lines(stream, report)
    head = next(_read_each(lines, _cells), None)
    if head is not None:
        columns = _columns(head)
        yield from _read_each(lines, lambda text: _body(columns, _cells(text)))


READERS: Mapping[str, Callable[[IO[bytes], Report], Iterator[Line]]] = {
    ".ndjson": read_ndjson,
    ".jsonl": read_ndjson,
    ".csv": read_csv,
}


def _lines(stream: IO[bytes], report: Report) -> Iterator[tuple[int, bytes | None]]:
    """Yield the number and bytes of every line that is not blank; None for one that is too long."""
    for number in count(1):
        text = stream.readline(MAX_LINE_BYTES + 1)
        if not text:
            return
        report(len(text))
        if len(text) > MAX_LINE_BYTES:
            _skip_rest(stream, text, report)
            yield number, None
            continue
        if number == 1:
            text = text.removeprefix(codecs.BOM_UTF8)
        if text.strip():
            yield number, text


def _skip_rest(stream: IO[bytes], text: bytes, report: Report) -> None:
    while text and not text.endswith(b"\n"):
        text = stream.readline(MAX_LINE_BYTES)
        report(len(text))


def _read_each(
    lines: Iterator[tuple[int, bytes | None]], read: Callable[[bytes], Any]
) -> Iterator[Line]:
    for number, text in lines:
        if text is None:
            yield Line(number, fault="is longer than 1 MiB")
            continue
        try:
            body = read(text)
        except _Unreadable as unreadable:
            yield Line(number, fault=str(unreadable))
        else:
            yield Line(number, body)


def _object(text: bytes) -> dict[str, Any]:
    try:
        body = parse(text)
    except InvalidJson as invalid:
        raise _Unreadable(str(invalid)) from None
    if not isinstance(body, dict):
        raise _Unreadable("is not a JSON object")
    return _with_integers(body)


def _with_integers(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body with integers for floats that are whole numbers, also in its objects."""
    for part in (body, *(value for value in body.values() if isinstance(value, dict))):
        part.update(
            {
                name: int(value)
                for name, value in part.items()
                if type(value) is float and value.is_integer()
            }
        )
    return body


def _cells(text: bytes) -> list[str]:
    # A byte that is no text becomes a sign that no field allows.
    try:
        return next(csv.reader([text.decode("utf-8", "replace")], strict=True))
    except csv.Error:
        limit = csv.field_size_limit()
        words = "quotes do not match, lines end in CR alone, or a cell is longer than"
        raise _Unreadable(f"is not CSV: {words} {limit:,} characters") from None


def _columns(head: Line) -> list[_Column]:
    if head.fault is not None:
        raise click.ClickException(f"line {head.number}: {head.fault}.")
    names: list[str] = head.body
    known = dict(paths_of(TurnSchema()))
    unknown = [name for name in names if name not in known]
    if "" in unknown:
        raise click.ClickException(
            f"line {head.number}: a column has no name. If it is the index of pandas, write the "
            "file with index=False."
        )
    if unknown:
        raise click.ClickException(
            f"line {head.number}: no turn has a field {_listed(unknown)}. Name the columns there, "
            "separated by commas; a field within an object is written like usage.input_tokens."
        )
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise click.ClickException(f"line {head.number}: names {_listed(twice)} more than once.")
    return [_Column(name.split("."), _reader(known[name])) for name in names]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMED
    shown = ", ".join(f"`{printable(short_name(name))}`" for name in names[:_MAX_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown


def paths_of(schema: Schema, prefix: str = "") -> Iterator[tuple[str, fields.Field[Any]]]:
    """Yield the name of each column and its field; a field within an object has a dot."""
    for name, field in schema.fields.items():
        if isinstance(field, Part):
            yield from paths_of(field.schema, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def _reader(field: fields.Field[Any]) -> Callable[[str], Any]:
    """Return the function that reads a cell; text of another type stays text for the schema."""
    if isinstance(field, ListOf):
        return str.split
    if isinstance(field, Boolean):
        return lambda cell: _BOOLEANS.get(cell.lower(), cell)
    if isinstance(field, Integer | Number):
        return _number
    if isinstance(field, ExactInstant):
        return lambda cell: _BLANK_FOR_T.sub(r"\1T", cell)
    return lambda cell: cell


def _number(cell: str) -> int | float | str:
    if _INTEGER.fullmatch(cell):
        return int(cell)
    if not _NUMBER.fullmatch(cell):
        return cell
    value = float(cell)
    return int(value) if value.is_integer() else value


def _body(columns: Sequence[_Column], cells: Sequence[str]) -> dict[str, Any]:
    if len(cells) != len(columns):
        raise _Unreadable(f"has {len(cells)} cells, the first line names {len(columns)}")
    body: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=True):
        if cell and cell.lower() != "nan":
            *parts, name = column.path
            target = body
            for part in parts:
                target = target.setdefault(part, {})
            target[name] = column.read(cell)
    return body
