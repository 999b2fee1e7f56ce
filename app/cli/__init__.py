"""Commands for operators: `flask --app wsgi COMMAND`, such as `org list` or `doctor`.

Promises:

- An error means that nothing was changed; a change means exit code 0. Commands check first, change
  last, and then print. A command over many elements does all it can, names on standard error each
  element that failed, and ends with 1.
- An error is one line on standard error with the next step, and never a traceback or exception
  text.
- `--json` prints JSON; without it there is a table for people, or a block for each row on a narrow
  terminal. Log lines go to standard error, those of the worker to standard output.
- A secret that could not be printed is withdrawn.

`groups.py` (errors) and `output.py` (answers) hold these promises for all commands.
`BACKEND=memory` is refused: no command reaches the memory of another process.
"""

import click
from flask import Flask
from flask.cli import FlaskGroup
from flask.cli import cli as flask_group

from app.cli import archive, audit, db, key, limits, org, quota, turns
from app.cli.doctor import doctor
from app.cli.request import request
from app.cli.worker import worker


def register(app: Flask) -> None:
    """Add every command to the application."""
    for module in (org, key, quota, limits, archive, turns, audit, db):
        app.cli.add_command(module.group)
    for command in (worker, request, doctor):
        app.cli.add_command(command)
    _hide_foreign_commands()


def _hide_foreign_commands() -> None:
    """Leave the commands of Flask and of its extensions out of `flask --help`; they still work."""
    context = click.get_current_context(silent=True)
    # There is no context while a shell completes the first word.
    group = context.find_root().command if context else flask_group
    if isinstance(group, FlaskGroup):
        for command in group.commands.values():
            command.hidden = True
