"""`flask worker`: the chores that repeat until SIGTERM."""

import click
import structlog
from flask.cli import with_appcontext

from app.cli.groups import OperatorCommand
from app.cli.output import say
from app.http.application import provided
from app.observability.logging import StandardOutput, writing_to
from app.worker.build import CHORES
from app.worker.chores import PERIOD_S
from app.worker.service import Worker

_log = structlog.get_logger("turnledger.worker")


@click.command("worker", cls=OperatorCommand, short_help="Run the chores of each minute.")
@with_appcontext
@click.pass_context
def worker(ctx: click.Context) -> None:
    """Archive, reconcile quotas and remove old keys, each every minute, until SIGTERM.

    The exit code is 1 if the last pass of a chore failed; standard error names it.
    """
    run_chores(ctx)


def run_chores(ctx: click.Context, only: str | None = None) -> None:
    """Run the worker's chores, or `only` one; exit with 1 and their names if some failed.

    They have no answer: their log goes to standard output.
    """
    with writing_to(StandardOutput):
        _log.info("worker_started", chores=[only] if only else list(CHORES), period_s=PERIOD_S)
        failed = provided(Worker).run(only)
    for name in failed:
        say(f"The last pass of the chore `{name}` failed: the log has the reason.")
    if failed:
        ctx.exit(1)
