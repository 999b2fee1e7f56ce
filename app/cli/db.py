"""`flask db`: indexes and validators, made at each release and never at import."""

from collections.abc import Sequence

import click

from app.backends.indexes import Outcome, State
from app.cli.groups import OperatorGroup
from app.cli.output import json_option, print_changes, say
from app.http.application import provided
from app.schema import DatabaseSchema

_INTERRUPTED = "Interrupted. Indexes that are done stay; run the same command again to go on."

group = OperatorGroup("db", help="The database's indexes and validators.")


@group.command("init")
@click.option(
    "--tighten",
    is_flag=True,
    help="Refuse new rows of earlier releases, and drop the indexes that only those used.",
)
@json_option
@click.pass_context
def init(ctx: click.Context, *, tighten: bool, as_json: bool) -> None:
    """Make and correct indexes and validators.

    Each is shown. May be interrupted and repeated at any time. The validator still accepts rows of
    the earlier release, and indexes that only that release uses are kept: their state is `retired`.
    Use --tighten once every process runs this one. The exit code is 1 if something could not be
    made; standard error then says why, and the next step.
    """
    outcomes = _ensure(tighten=tighten)
    records = [
        {"collection": each.collection, "name": each.name, "state": each.state.value}
        for each in outcomes
    ]
    print_changes(records, as_json=as_json)
    for step in filter(None, (each.next_step for each in outcomes)):
        say(step)
    if any(each.state is State.BLOCKED for each in outcomes):
        ctx.exit(1)


def _ensure(*, tighten: bool) -> Sequence[Outcome]:
    schema = provided(DatabaseSchema)
    try:
        return list(schema.ensure(say, tighten=tighten))
    except KeyboardInterrupt:
        say(_INTERRUPTED)
        raise
