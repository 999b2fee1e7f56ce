"""Lay out tables for a terminal of any width, and for pipes.

A terminal that is narrower than a table gets each row as a block of lines, one for each column. So
no cell is broken, and an id can be copied. In a pipe, each row is one line of any width.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.observability.terminal import printable_lines, shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Rows = Sequence[Sequence[Any]]
_PIPE_COLUMNS = 240
# Wider than any table.
_UNBOUNDED = 1_000_000


def fields_table(fields: Mapping[str, Any]) -> str:
    """Return one object as a table of two columns, whose long values have several lines."""
    return _printed(_console(), _table(("field", "value"), list(fields.items())))


def rows_table(columns: Sequence[str], rows: Rows, *, unbroken: str | None = None) -> str:
    """Return objects as a table, or as blocks if the terminal is too narrow for their lines.

    With the name of an `unbroken` column it is always a table. Its cells have as many lines as they
    need, but those of this column are not broken: an id can be copied.
    """
    console, table = _console(), _table(columns, rows, unbroken)
    if unbroken is not None:
        return _printed(console, table)
    width = _width(console, table)
    if not console.is_terminal:
        console.width = max(console.width, width)
    if width <= console.width:
        return _printed(console, table)
    return "\n".join(_printed(console, _block(columns, row)) for row in rows)


def _console() -> "Console":
    from rich.console import Console

    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    return console


def _table(columns: Sequence[str], rows: Rows, unbroken: str | None = None) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(_title(column), overflow="fold", no_wrap=column == unbroken)
    return _filled(table, rows)


def _block(columns: Sequence[str], row: Sequence[Any]) -> "Table":
    from rich.table import Table

    # Spaces as wide as the edges of tables.
    block = Table(box=None, show_header=False, padding=(0, 1, 0, 2))
    block.add_column(style="bold")
    block.add_column(overflow="fold")
    return _filled(
        block, [(_title(column), cell) for column, cell in zip(columns, row, strict=True)]
    )


def _filled(table: "Table", rows: Rows) -> "Table":
    from rich.text import Text

    for row in rows:
        table.add_row(
            *(Text(printable_lines(shown(cell_text(value), sys.stdout))) for value in row)
        )
    return table


def _title(column: str) -> str:
    return column.replace("_", " ")


def _width(console: "Console", table: "Table") -> int:
    """Return the columns that the longest lines of all cells need beside each other."""
    from rich.measure import Measurement

    options = console.options.update(width=_UNBOUNDED)
    return Measurement.get(console, options, table).maximum


def _printed(console: "Console", table: "Table") -> str:
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def cell_text(value: Any) -> str:
    """Return a value for people; `-` for none."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={cell_text(inner)}" for name, inner in value.items()) or "-"
    return str(value)
