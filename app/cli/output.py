"""Answer operators: tables, `--json`, one-line errors that name the next step.

An error means that nothing was changed. So commands check first, change last, and print what they
changed by `print_change`, which does not fail.

Use: `group = OperatorGroup("org", reading=("list",), help="…")`, commands by
`@group.command("list")` with `@organization_argument` of `arguments.py` and `@json_option`, and
answers by `print_record` or `print_records`.
"""

import sys
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from typing import Any, TypeVar

import click
import orjson
from flask.cli import AppGroup, ScriptInfo

from app.admission.errors import AdmissionError
from app.audit.errors import AuditNotWritten
from app.backends.containment import Containment, Failure
from app.backends.outages import OUTAGES, as_outages, describe_outage
from app.cli.tables import fields_table, rows_table
from app.http.application import provided
from app.http.faults import AccountFault
from app.http.frames import frames_of
from app.http.request_errors import InvalidFields
from app.observability.logging import StandardError, writing_to
from app.observability.terminal import printable, printable_lines, shown
from app.schema import SchemaDiffers
from app.tenancy.errors import NotFound, TenancyError
from app.tenancy.key_format import redact
from app.tenancy.model import Environment, organization_in
from config.settings import BackendKind, Settings, SettingsError

Record = dict[str, Any]
# Errors whose text is a sentence for operators; see each room's `errors.py`.
EXPECTED: tuple[type[Exception], ...] = (
    AccountFault,
    AdmissionError,
    AuditNotWritten,
    InvalidFields,
    SchemaDiffers,
    TenancyError,
)
# Marks stored data that cannot be used.
FAULTY = "(faulty)"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, not a table.")
Command = TypeVar("Command", bound=Callable[..., Any])

_NOT_FOUND_HINT = "`flask org list` shows organizations, `flask key list ORG_ID` their keys."
_LOOK_FIRST = "A change may have been made: look before you repeat it."
_RUN_AGAIN = "Run the command again."
_UNSHOWN = "Done, but the answer could not be written."
_OUT_OF_REACH = (
    "BACKEND=memory keeps everything inside the service's process; commands cannot reach it."
)
# A closed pipe, a full disk, an encoding without the sign.
_UNWRITABLE: tuple[type[Exception], ...] = (OSError, UnicodeError)


class OutputLost(Exception):
    """Raised if a value that is shown only once could not be written."""


class OperatorGroup(AppGroup):
    """A group of commands whose expected failures are one line on stderr and exit code 1.

    `reading` names the commands that change nothing.
    """

    def __init__(self, name: str, *, reading: Container[str] = (), **options: Any) -> None:
        super().__init__(name, **options)
        self._reading = reading

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an expected failure never shows a traceback."""
        return _invoke(
            ctx, super().invoke, may_change=lambda: ctx.invoked_subcommand not in self._reading
        )


class OperatorCommand(click.Command):
    """A command outside a group; it fails as those of an `OperatorGroup` do.

    One with `is_reading` changes nothing. One without `needs_hosts` runs although DNS does not know
    a host of the settings.
    """

    def __init__(
        self,
        name: str | None,
        *,
        is_reading: bool = False,
        needs_hosts: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self._is_reading = is_reading
        self._needs_hosts = needs_hosts

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an expected failure never shows a traceback."""
        return _invoke(
            ctx,
            super().invoke,
            may_change=lambda: not self._is_reading,
            needs_hosts=self._needs_hosts,
        )


def _invoke(
    ctx: click.Context,
    run: Callable[[click.Context], Any],
    *,
    may_change: Callable[[], bool],
    needs_hosts: bool = True,
) -> Any:
    try:
        _require_reachable(ctx, needs_hosts=needs_hosts)
        # Standard output has the answer alone, perhaps as JSON.
        with writing_to(StandardError), _one_line_failures(may_change):
            return run(ctx)
    except click.ClickException as refused:
        # click's own choice of a stream writes UTF-8 to a terminal that shows ASCII. It repeats
        # words of the command line that it does not expect, perhaps a key.
        text = StringIO()
        refused.show(file=text)
        sys.stderr.write(redact(text.getvalue()))
        ctx.exit(refused.exit_code)


@contextmanager
def _one_line_failures(may_change: Callable[[], bool]) -> Iterator[None]:
    try:
        with as_outages():
            yield
    except EXPECTED as error:
        raise click.ClickException(sentence(error)) from None
    except OUTAGES as outage:
        raise click.ClickException(f"{describe_outage(outage)}{_advice(may_change)}") from None
    except (click.ClickException, click.exceptions.Exit, click.Abort, OutputLost):
        raise
    except Exception as error:
        frames = "; ".join(frames_of(error))
        raise click.ClickException(
            f"The command failed for an unknown reason ({type(error).__name__})."
            f"{_advice(may_change)} Report it with these lines of the code: {frames}."
        ) from None


def _advice(may_change: Callable[[], bool]) -> str:
    return f" {_LOOK_FIRST}" if may_change() else ""


def _require_reachable(ctx: click.Context, *, needs_hosts: bool) -> None:
    """Refuse in-memory and unknown stores, unless the application that is in use was given."""
    info = ctx.ensure_object(ScriptInfo)
    if info.create_app is not None:
        return
    settings = provided(Settings)
    if settings.backend is BackendKind.MEMORY:
        raise click.ClickException(_OUT_OF_REACH)
    try:
        if needs_hosts:
            settings.require_hosts()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


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
    has_long_cells: bool = False,
) -> None:
    """Print objects with the same fields: a table of one row each, or a JSON array.

    `empty` replaces a table without rows. For `has_long_cells` see `rows_table`.
    """
    _write(_records_text(records, as_json=as_json, empty=empty, has_long_cells=has_long_cells))


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


def limit_text(limit: int | None) -> str:
    """Return a ceiling for a table: `None` is unlimited."""
    return "unlimited" if limit is None else f"{limit:,}"


def _record_text(record: Record, *, as_json: bool) -> str:
    return _json(record) if as_json else fields_table(record)


def _records_text(
    records: Sequence[Record], *, as_json: bool, empty: str, has_long_cells: bool = False
) -> str:
    if as_json:
        return _json(records)
    if not records:
        return f"{empty}\n"
    rows = [tuple(record.values()) for record in records]
    return rows_table(tuple(records[0]), rows, has_long_cells=has_long_cells)


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


def sentence(error: Exception) -> str:
    """Return the text of an expected error, and the next step if something was not found."""
    hint = f" {_NOT_FOUND_HINT}" if isinstance(error, NotFound) else ""
    return f"{printable(str(error))}{hint}"
