"""Parquet files of turns, with the columns of CSV files and a type for each.

PyArrow is optional: no requirement of the service installs it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from marshmallow import fields

from app.cli.turn_files import paths_of
from app.http.answer_fields import UtcInstant
from app.http.fields import Boolean, Integer, ListOf, Number
from app.http.instants import parse_ms
from app.interactions.answer_schemas import ItemSchema
from app.interactions.columns import COLUMNS, cells_of
from app.interactions.model import Item

# A row group is in memory until it is written: about 20 MB.
ROW_GROUP_COUNT = 20_000
_MISSING = (
    "Parquet files need PyArrow 15 or later, which is not installed: run .venv/bin/pip install "
    "pyarrow, or the pip of your environment. Files that end in .csv or .ndjson need nothing."
)
# Writes items to an open file.
Write = Callable[[Sequence[Item]], object]
# Returns a cell of an item as its column has it.
Read = Callable[[Any], Any]


@contextmanager
def open_parquet(file: Path) -> Iterator[Write]:
    """Open a Parquet file; ClickException unless PyArrow is installed."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise click.ClickException(_MISSING) from None
    kinds = [_kind(field) for field in _fields()]
    reads = [read for read, _ in kinds]
    schema = pa.schema([(name, make(pa)) for name, (_, make) in zip(COLUMNS, kinds, strict=True)])
    rows: list[list[Any]] = []

    def write_group() -> None:
        columns = [list(column) for column in zip(*rows, strict=True)]
        writer.write_table(pa.table(columns, schema=schema))
        rows.clear()

    def write(items: Sequence[Item]) -> None:
        for item in items:
            rows.append([read(value) for read, value in zip(reads, cells_of(item), strict=True)])
            if len(rows) == ROW_GROUP_COUNT:
                write_group()

    with parquet.ParquetWriter(file, schema) as writer:
        yield write
        if rows:
            write_group()


def _fields() -> list[fields.Field[Any]]:
    known = dict(paths_of(ItemSchema()))
    return [known[name] for name in COLUMNS]


def _kind(field: fields.Field[Any]) -> tuple[Read, Callable[[Any], Any]]:
    """Return the function that reads a cell of a field, and the one that makes its type."""
    return next(
        (read, make) for field_class, read, make in _KINDS if isinstance(field, field_class)
    )


# Each returns None for a value of another type, which rows of other releases may hold.


def _instant(value: Any) -> int | None:
    return parse_ms(value) if isinstance(value, str) else None


def _texts(value: Any) -> list[str] | None:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


_KINDS: Sequence[tuple[type[Any], Read, Callable[[Any], Any]]] = (
    (UtcInstant, _instant, lambda pa: pa.timestamp("ms", tz="UTC")),
    (ListOf, _texts, lambda pa: pa.list_(pa.string())),
    (Boolean, _truth, lambda pa: pa.bool_()),
    (Integer, _whole, lambda pa: pa.int64()),
    (Number, _number, lambda pa: pa.float64()),
    (fields.Field, _text, lambda pa: pa.string()),
)
