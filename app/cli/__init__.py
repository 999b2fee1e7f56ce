"""What operators type: `flask --app wsgi worker|org|key|quota|archive|turns|db`."""

from flask import Flask

from app.cli import archive, db, key, org, quota, turns
from app.cli.worker import worker


def register(app: Flask) -> None:
    """Add every command to the application."""
    for module in (org, key, quota, archive, turns, db):
        app.cli.add_command(module.group)
    app.cli.add_command(worker)
