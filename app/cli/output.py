"""Print the answers of commands: tables, `--json`, and lines on standard error.

An error means that nothing was changed. So commands check first, change last, and print what they
changed by `print_change`, which does not fail.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from typing import Any, TypeVar

import click
import orjson

from app.backends.containment import Containment, Failure
from app.cli.tables import fields_table, rows_table
from app.observability.terminal import printable, printable_lines, shown
from app.tenancy.model import Environment, organization_in

Record = dict[str, Any]
# Marks stored data that cannot be used.
FAULTY = "(faulty)"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, not a table.")
Command = TypeVar("Command", bound=Callable[..., Any])

_RUN_AGAIN = "Run the command again."
_UNSHOWN = "Done, but the answer could not be written."
# A closed pipe, a full disk, an encoding without the sign.
_UNWRITABLE: tuple[type[Exception], ...] = (OSError, UnicodeError)


class OutputLost(Exception):
    """Raised if a value that is shown only once could not be written."""


def environment_option(
    default: Environment | None = Environment.LIVE,
) -> Callable[[Command], Command]:
    """Return the option `--environment`; without a default None stands for both."""
    return click.option(
        "--environment",
        type=click.Choice([environment.value for environment in Environment]),
        default=default.value if default else None,
        show_default=default is not None,
        help=None if default else "Both if left out.",
    )


@contextmanager
def progress_bar(what: str, total: Callable[[], int]) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error if that is a terminal; each call adds to it.

    Calls `total` only if there is a bar.
    """
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(printable(what)), total=total())
        yield lambda done: bar.advance(task, done)


def print_record(record: Record, *, as_json: bool) -> None:
    """Print one object: a table of two columns, or a JSON object."""
    _write(_record_text(record, as_json=as_json))


def print_records(
    records: Sequence[Record],
    *,
    as_json: bool,
    empty: str = "Nothing there yet.",
    unbroken: str | None = None,
) -> None:
    """Print objects with the same fields: a table of one row each, or a JSON array.

    `empty` replaces a table without rows. For `unbroken` see `rows_table`.
    """
    _write(_records_text(records, as_json=as_json, empty=empty, unbroken=unbroken))


def print_text(text: str) -> None:
    """Print lines that are no table."""
    _write(printable_lines(text))


def print_change(record: Record, *, as_json: bool) -> None:
    """Print what was changed, as `print_record`.

    An output that cannot be written is no error: the change is made, and an error would deny it.
    """
    _write_if_possible(_record_text(record, as_json=as_json))


def print_changes(
    records: Sequence[Record], *, as_json: bool, empty: str = "Nothing there yet."
) -> None:
    """Print what was changed, as `print_records` and `print_change`."""
    _write_if_possible(_records_text(records, as_json=as_json, empty=empty))


def print_secret(record: Record, *, as_json: bool, after: str = "") -> None:
    """Print what is shown only once, and `after` it; OutputLost if it cannot be written."""
    try:
        _write(_record_text(record, as_json=as_json) + after)
    except _UNWRITABLE as error:
        _discard_output()
        raise OutputLost from error


def contain(only: str | None = None) -> Containment:
    """Return a containment for a command over many elements: names failures on standard error.

    `only` leaves out those of other organizations, which the worker names in its log.
    """

    def name(failure: Failure) -> None:
        if only is None or organization_in(failure.account) == only:
            say(failure.sentence)

    return Containment(name, _RUN_AGAIN)


def say(sentence: str) -> None:
    """Write a line to standard error, if it can be written; unknown signs are escaped."""
    with suppress(*_UNWRITABLE):
        click.echo(shown(printable(sentence), sys.stderr), file=sys.stderr)


def _record_text(record: Record, *, as_json: bool) -> str:
    return _json(record) if as_json else fields_table(record)


def _records_text(
    records: Sequence[Record], *, as_json: bool, empty: str, unbroken: str | None = None
) -> str:
    if as_json:
        return _json(records)
    if not records:
        return f"{empty}\n"
    rows = [tuple(record.values()) for record in records]
    return rows_table(tuple(records[0]), rows, unbroken=unbroken)


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"


def _write(text: str) -> None:
    """Write to standard output; what it cannot show is escaped."""
    click.echo(shown(text, sys.stdout), nl=False, file=sys.stdout)


def _write_if_possible(text: str) -> None:
    try:
        _write(text)
    except _UNWRITABLE:
        _discard_output()
        say(_UNSHOWN)


def _discard_output() -> None:
    """Write what follows nowhere: at its end Python would try again to flush, and fail."""
    sys.stdout = StringIO()
