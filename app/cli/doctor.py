"""`flask doctor`: checks settings, stores, clocks and worker, with the next step for each."""

from collections.abc import Iterator
from textwrap import wrap

import click
from flask.cli import with_appcontext

from app.cli.groups import OperatorCommand
from app.cli.output import json_option, print_records, print_text
from app.doctor.findings import Finding, State
from app.doctor.service import Doctor
from app.http.application import provided

_COLUMNS = 80
_STATE_WIDTH, _NAME_WIDTH = 6, 13
_INDENT = " " * (_STATE_WIDTH + _NAME_WIDTH)


@click.command(
    "doctor",
    cls=OperatorCommand,
    is_reading=True,
    needs_hosts=False,
    short_help="Check this deployment.",
)
@json_option
@with_appcontext
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """Check settings, stores, clocks, worker and logs; name the next step for each finding.

    The exit code is 1 if one of them is `bad`, and 3 if a setting is refused.
    """
    found = list(provided(Doctor).examine())
    if as_json:
        print_records([finding._asdict() for finding in found], as_json=True)
    else:
        print_text("".join(f"{line}\n" for finding in found for line in _lines(finding)))
    if any(finding.state is State.BAD for finding in found):
        ctx.exit(1)


def _lines(finding: Finding) -> Iterator[str]:
    head = f"{finding.state.value:{_STATE_WIDTH}}{finding.check:{_NAME_WIDTH}}"
    yield from wrap(finding.text, _COLUMNS, initial_indent=head, subsequent_indent=_INDENT)
    if finding.next_step:
        begin, rest = f"{_INDENT}-> ", f"{_INDENT}   "
        yield from wrap(finding.next_step, _COLUMNS, initial_indent=begin, subsequent_indent=rest)
