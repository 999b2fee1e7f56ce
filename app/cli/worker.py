"""`flask worker`: the chores that repeat until SIGTERM."""

import click
from flask.cli import with_appcontext

from app.cli.output import OperatorCommand, say
from app.http.provide import provided
from app.worker.service import Worker


@click.command("worker", cls=OperatorCommand)
@with_appcontext
@click.pass_context
def worker(ctx: click.Context) -> None:
    """Archive, reconcile quotas and remove old keys, each every minute, until SIGTERM.

    The exit code is 1 if the last pass of a chore failed; standard error names it.
    """
    run_chores(ctx)


def run_chores(ctx: click.Context, only: str | None = None) -> None:
    """Run the worker's chores, or `only` one; exit with 1 and their names if some failed."""
    failed = provided(Worker).run(only)
    for name in failed:
        say(f"The last pass of the chore `{name}` failed: the log has the reason.")
    if failed:
        ctx.exit(1)
