"""`flask turns export`: writes the turns of an account to a file."""

import os
from pathlib import Path

import click
from flask.cli import with_appcontext

from app.cli.arguments import organization_argument
from app.cli.export_files import WRITERS, replacing
from app.cli.output import (
    Command,
    environment_option,
    json_option,
    print_record,
    progress_bar,
)
from app.cli.text import Utf8Text
from app.http import validation
from app.http.application import provided
from app.http.request_errors import InvalidFields
from app.interactions.export import AccountExport, TurnExporter
from app.interactions.model import Filters
from app.interactions.query_schemas import ExportQuerySchema
from app.observability.terminal import printable
from app.tenancy.model import Environment, account_of
from app.tenancy.periods import period_at
from app.tenancy.service import Organizations

_FILTERS = ExportQuerySchema(exclude=("limit", "cursor", "after"))


def filter_options(command: Command) -> Command:
    """Add an option for each filter of the list, such as `--user-id` and `--from`."""
    for name, field in reversed(_FILTERS.fields.items()):
        parameter = field.data_key or name
        option = click.option(f"--{parameter.replace('_', '-')}", parameter, type=Utf8Text())
        command = option(command)
    return command


@click.command("export")
@with_appcontext
@organization_argument
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@environment_option()
@filter_options
@json_option
def export(
    organization_id: str, file: Path, environment: str, *, as_json: bool, **options: str | None
) -> None:
    """Write turns to a file.

    It ends in .ndjson, .csv or .parquet, and has those of the last 180 days, newest first. Filters
    are those of the list, combined with AND. Turns recorded meanwhile are left out. A file of this
    name is replaced once all turns are written; an export that stops earlier leaves it as it is.
    """
    if file.suffix.lower() not in WRITERS:
        raise click.UsageError(f"{printable(file.name)}: must end in {', '.join(WRITERS)}.")
    turns = _export_of(organization_id, Environment(environment), _filters(options))
    try:
        count = _write(file, turns)
    except OSError as error:
        # PyArrow has its own texts.
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        fault = f"{printable(str(file))} cannot be written: {reason}."
        raise click.ClickException(f"{fault} Choose another folder, or make room.") from None
    print_record({"turns": count, "file": str(file)}, as_json=as_json)


def _filters(options: dict[str, str | None]) -> Filters:
    """Return the filters; UsageError for a bad one."""
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Filters(**validation.load(_FILTERS, given, whole="options"))
    except InvalidFields as error:
        raise click.UsageError(str(error)) from None


def _export_of(organization_id: str, environment: Environment, filters: Filters) -> AccountExport:
    organization = provided(Organizations).get_(organization_id)
    return provided(TurnExporter).export_of(
        account_of(organization.id, environment),
        filters,
        lambda at_us: period_at(organization.signed_up_on, at_us).label,
    )


def _write(file: Path, turns: AccountExport) -> int:
    """Write the file; return the number of its turns."""
    exporter, count = provided(TurnExporter), 0
    with (
        replacing(file) as temporary,
        WRITERS[file.suffix.lower()](temporary) as write,
        progress_bar(file.name, lambda: exporter.count(turns)) as advance,
    ):
        for items in exporter.read(turns):
            write(items)
            count += len(items)
            advance(len(items))
    return count
