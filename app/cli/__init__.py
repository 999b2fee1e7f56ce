"""What operators type: `flask --app wsgi org|key|quota|archive|turns|db|demo`."""

import click
from flask import Flask
from flask.cli import FlaskGroup

from app.cli import archive, db, demo, key, org, quota, turns


def register(app: Flask) -> None:
    """Add every group of commands to the application."""
    for module in (org, key, quota, archive, turns, db, demo):
        app.cli.add_command(module.group)
    _hide_foreign_commands()


def _hide_foreign_commands() -> None:
    """Leave the commands of Flask and of its extensions out of `flask --help`; they still work."""
    context = click.get_current_context(silent=True)
    group = context.find_root().command if context else None
    if isinstance(group, FlaskGroup):
        for command in group.commands.values():
            command.hidden = True
