"""Files of turns: one recording a line, as JSON or as CSV.

A CSV file names its columns in the first line, a field within an object by a dot
(`usage.input_tokens`). Cells are read by the field's type, a list's elements are separated by
spaces, and an empty cell is left out.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import click
import orjson
from marshmallow import Schema, fields

from app.http.fields import Boolean, Integer, ListOf, Number, Part
from app.interactions.schemas import TurnSchema

_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Line:
    """The body on a line; what cannot be read is no object, and so no turn."""

    number: int
    body: Any


def read_ndjson(stream: IO[bytes]) -> Iterator[Line]:
    """Every line that is not empty."""
    for number, text in enumerate(stream, 1):
        if text.strip():
            yield Line(number, _json(text))


def read_csv(stream: IO[bytes]) -> Iterator[Line]:
    """Every line after the first; ClickException if the first names a column that no turn has."""
    # A byte that is no text becomes a sign that no field allows.
    rows = csv.reader(line.decode("utf-8-sig", "replace") for line in stream)
    columns = next(rows, [])
    known = dict(_paths(TurnSchema()))
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise click.ClickException(f"line 1: no turn has a field {', '.join(unknown)}.")
    readers = [_reader(known[name]) for name in columns]
    for cells in rows:
        if cells:
            yield Line(rows.line_num, _body(columns, readers, cells))


READERS: Mapping[str, Callable[[IO[bytes]], Iterator[Line]]] = {
    ".ndjson": read_ndjson,
    ".csv": read_csv,
}


def _json(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _paths(schema: Schema, prefix: str = "") -> Iterator[tuple[str, fields.Field[Any]]]:
    for name, field in schema.fields.items():
        if isinstance(field, Part):
            yield from _paths(field.schema, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def _reader(field: fields.Field[Any]) -> Callable[[str], Any]:
    if isinstance(field, ListOf):
        return str.split
    if isinstance(field, Boolean):
        return lambda cell: _BOOLEANS.get(cell, cell)
    if isinstance(field, Integer):
        return lambda cell: _number(int, cell)
    if isinstance(field, Number):
        return lambda cell: _number(float, cell)
    return lambda cell: cell


def _number(kind: type[int] | type[float], cell: str) -> int | float | str:
    try:
        return kind(cell)
    except ValueError:
        return cell  # the schema says what is wrong with it


def _body(
    columns: Sequence[str], readers: Sequence[Callable[[str], Any]], cells: Sequence[str]
) -> dict[str, Any] | None:
    if len(cells) != len(columns):
        return None
    body: dict[str, Any] = {}
    for column, read, cell in zip(columns, readers, cells, strict=True):
        if cell:
            *parts, name = column.split(".")
            place = body
            for part in parts:
                place = place.setdefault(part, {})
            place[name] = read(cell)
    return body
