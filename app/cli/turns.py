"""`flask turns`: brings in turns of the past from a file."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click

from app.admission.chunks import chunked
from app.admission.clock import LedgerClock
from app.cli.output import OperatorGroup, json_option, organization_argument, print_record
from app.cli.turn_files import READERS, Line
from app.http.problems import Problem
from app.http.provide import provided
from app.interactions.history import HistoryImport, Import, ImportOutcome
from app.interactions.model import Turn
from app.tenancy.model import Environment, Organization, account_of
from app.tenancy.periods import period_at
from app.tenancy.service import Organizations

group = OperatorGroup("turns", help="Turns of the past.")


@dataclass(frozen=True, slots=True)
class _Read:
    """A line of the file as a turn, or why it is none."""

    number: int
    told: Turn | Problem


@group.command("import")
@organization_argument
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--environment",
    type=click.Choice([environment.value for environment in Environment]),
    default=Environment.LIVE.value,
    show_default=True,
)
@json_option
@click.pass_context
def import_(
    ctx: click.Context, organization_id: str, file: Path, environment: str, *, as_json: bool
) -> None:
    """Store the turns in FILE (.ndjson or .csv), charging no quota.

    Lines are as recordings and at most 179 days old. Bad ones are named and the others stored;
    then the exit code is 1. Done again it adds nothing.
    """
    if file.suffix not in READERS:
        raise click.UsageError(f"{file.name}: must end in {' or '.join(READERS)}.")
    organization = provided(Organizations).get_(organization_id)
    with _opened(file) as stream:
        counts = _import(organization, Environment(environment), READERS[file.suffix](stream))
    names = ("new", "known", "rejected")
    print_record({name: counts[name] for name in names}, as_json=as_json)
    if counts["rejected"]:
        ctx.exit(1)


def _import(
    organization: Organization, environment: Environment, lines: Iterator[Line]
) -> Counter[str]:
    history, clock = provided(HistoryImport), provided(LedgerClock)
    account = account_of(organization.id, environment)
    counts: Counter[str] = Counter()
    for chunk in chunked(lines):
        now_us = clock.now_us()
        read = [_read(history, account, line, now_us // 1_000) for line in chunk]
        good = [line.told for line in read if isinstance(line.told, Turn)]
        target = Import(account, period_at(organization.signed_up_on, now_us).label, now_us)
        outcomes = iter(history.store_many(target, good))
        for line in read:
            outcome = next(outcomes) if isinstance(line.told, Turn) else line.told
            counts[_told(line.number, outcome)] += 1
    return counts


def _read(history: HistoryImport, account: str, line: Line, now_ms: int) -> _Read:
    try:
        told = history.read(account, line.body, now_ms)
    except Problem as problem:
        return _Read(line.number, problem)
    return _Read(line.number, told)


def _told(number: int, outcome: ImportOutcome) -> str:
    """How a line counts; a rejected one is told on standard error."""
    if not isinstance(outcome, Problem):
        return "new" if outcome else "known"
    faults = outcome.details if isinstance(outcome.details, list) else []
    reasons = [fault["message"] for fault in faults] or [outcome.message]
    click.echo(f"line {number}: {' '.join(reasons)}", err=True)
    return "rejected"


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, with a bar for whoever looks on."""
    if not sys.stderr.isatty():
        with file.open("rb") as stream:
            yield stream
        return
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    with progress.open(file, "rb", console=console, description=file.name) as stream:
        yield stream
