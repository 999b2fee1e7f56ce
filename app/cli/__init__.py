"""What operators type: `flask --app wsgi org|key|quota|archive|turns|db`."""

from flask import Flask

from app.cli import archive, db, key, org, quota, turns


def register(app: Flask) -> None:
    """Add every group of commands to the application."""
    for module in (org, key, quota, archive, turns, db):
        app.cli.add_command(module.group)
