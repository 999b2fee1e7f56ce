"""Run commands: each expected failure is one line on standard error that names the next step.

Use: `group = OperatorGroup("org", reading=("list",), help="…")`, then commands by
`@group.command("list")`; a command outside a group has `cls=OperatorCommand`.
"""

import sys
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import click
from flask.cli import AppGroup, ScriptInfo

from app.admission.errors import AdmissionError
from app.audit.errors import AuditNotWritten
from app.backends.outages import OUTAGES, as_outages, describe_outage
from app.cli.output import OutputLost
from app.http.application import provided
from app.http.faults import AccountFault
from app.http.frames import frames_of
from app.http.request_errors import InvalidFields
from app.observability.logging import StandardError, writing_to
from app.observability.terminal import printable
from app.schema import SchemaDiffers
from app.tenancy.errors import NotFound, TenancyError
from app.tenancy.key_format import redact
from config.settings import BackendKind, Settings, SettingsError

# Errors whose text is a sentence for operators; see each room's `errors.py`.
EXPECTED: tuple[type[Exception], ...] = (
    AccountFault,
    AdmissionError,
    AuditNotWritten,
    InvalidFields,
    SchemaDiffers,
    TenancyError,
)

_NOT_FOUND_HINT = "`flask org list` shows organizations, `flask key list ORG_ID` their keys."
_LOOK_FIRST = "A change may have been made: look before you repeat it."
_OUT_OF_REACH = (
    "BACKEND=memory keeps everything inside the service's process; commands cannot reach it."
)


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


def sentence(error: Exception) -> str:
    """Return the text of an expected error, and the next step if something was not found."""
    hint = f" {_NOT_FOUND_HINT}" if isinstance(error, NotFound) else ""
    return f"{printable(str(error))}{hint}"
