"""`flask turns`: imports earlier turns from a file, and exports turns to one."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import click

from app.admission.chunks import CHUNK_COUNT
from app.admission.clock import LedgerClock, RequestClock
from app.backends.outages import OUTAGES
from app.cli.arguments import organization_argument
from app.cli.groups import OperatorGroup
from app.cli.output import (
    contain,
    environment_option,
    json_option,
    print_change,
    progress_bar,
    say,
)
from app.cli.turn_exports import export
from app.cli.turn_files import READERS, Line
from app.http.application import provided
from app.http.request_errors import InvalidFields
from app.interactions.importing import Import, ImportOutcome, TurnImporter
from app.interactions.model import TurnTrace
from app.observability.terminal import printable
from app.tenancy.model import Environment, Organization, account_of
from app.tenancy.periods import period_at
from app.tenancy.service import Organizations
from app.usage.archive_pass import ArchivePass

# Numbers of a day with more turns than this outside the archive take their time.
ARCHIVE_EVERY_COUNT = 50_000
MAX_REASONS = 5
_STOPS: tuple[type[BaseException], ...] = (KeyboardInterrupt, *OUTAGES)
STOPPED = (
    f"Stopped before the end of the file. Stored turns stay, up to {CHUNK_COUNT:,} turns more "
    "than are counted; give the same file again to go on."
)

group = OperatorGroup("turns", reading=("export",), help="Import earlier turns, export turns.")
group.add_command(export)


class LineUnreadable(Exception):
    """A line of the file holds no JSON object or no row of the table."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A line of the file: a turn, or the error that rejects it."""

    number: int
    content: TurnTrace | Exception


@group.command("import")
@organization_argument
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@environment_option()
@json_option
@click.pass_context
def import_(
    ctx: click.Context, organization_id: str, file: Path, environment: str, *, as_json: bool
) -> None:
    """Store the turns of a file.

    It ends in .ndjson, .jsonl or .csv, and charges no quota. Each line is the body of a recording,
    at most 179 days old. A line that is refused is reported with its number and the reason, and the
    others are stored; then the exit code is 1. A second run adds nothing. Stored turns are archived
    at once.
    """
    read = READERS.get(file.suffix.lower())
    if read is None:
        raise click.UsageError(f"{printable(file.name)}: must end in {', '.join(READERS)}.")
    organization = provided(Organizations).get_(organization_id)
    counts = Counter(new=0, known=0, rejected=0, archived=0)
    try:
        with file.open("rb") as stream, progress_bar(file.name, lambda: _size(file)) as advance:
            _import(organization, Environment(environment), read(stream, advance), counts)
    except _STOPS:
        print_change(dict(counts), as_json=as_json)
        say(STOPPED)
        raise
    print_change(dict(counts), as_json=as_json)
    if counts["rejected"]:
        ctx.exit(1)


def _size(file: Path) -> int:
    return file.stat().st_size


def _import(
    organization: Organization,
    environment: Environment,
    lines: Iterator[Line],
    counts: Counter[str],
) -> None:
    """Store and archive what is good in `lines`; `counts` are true after each thousand."""
    account = account_of(organization.id, environment)
    clock = provided(LedgerClock)
    archived_at = 0
    while True:
        now_us = clock.fresh_now_us()
        target = Import(account, period_at(organization.signed_up_on, now_us).label, now_us)
        results = _store(target, RequestClock(clock), lines)
        if not results:
            break
        counts.update(results)
        if counts["new"] - archived_at >= ARCHIVE_EVERY_COUNT:
            archived_at = counts["new"]
            _archive(organization, counts)
    _archive(organization, counts)


def _archive(organization: Organization, counts: Counter[str]) -> None:
    """Archive what is stored; a day that fails is named, and waits for the next pass."""
    counts["archived"] += provided(ArchivePass).run(containment=contain(organization.id)).turns


def _store(target: Import, clock: RequestClock, lines: Iterator[Line]) -> list[str]:
    """Store the next thousand lines; return how each counts."""
    importer = provided(TurnImporter)
    # One by one, for of a line that is no turn nothing but the reason may stay in memory.
    read = [_read(importer, target.account, clock, line) for line in islice(lines, CHUNK_COUNT)]
    good = [line.content for line in read if isinstance(line.content, TurnTrace)]
    outcomes = iter(importer.store_many(target, good))
    return [
        _result(
            line.number, next(outcomes) if isinstance(line.content, TurnTrace) else line.content
        )
        for line in read
    ]


def _read(importer: TurnImporter, account: str, clock: RequestClock, line: Line) -> _Read:
    if line.fault is not None:
        return _Read(line.number, LineUnreadable(f"{line.fault}."))
    try:
        turn = importer.read(account, line.body, clock)
    except InvalidFields as error:
        return _Read(line.number, error)
    return _Read(line.number, turn)


def _result(number: int, outcome: ImportOutcome | Exception) -> str:
    """Return how a line counts; report a rejected one on standard error."""
    if isinstance(outcome, bool):
        return "new" if outcome else "known"
    say(f"line {number}: {_reasons(outcome)}")
    return "rejected"


def _reasons(error: Exception) -> str:
    """Return the first reasons of an error."""
    if not isinstance(error, InvalidFields):
        return str(error)
    messages = [each["message"] for each in error.field_errors]
    shown, others_count = messages[:MAX_REASONS], len(messages[MAX_REASONS:])
    return " ".join([*shown, f"({others_count} more)"] if others_count else shown)
