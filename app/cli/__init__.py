"""What operators type: `flask --app wsgi org|key|quota|db|demo`."""

from flask import Flask

from app.cli import db, demo, key, org, quota


def register(app: Flask) -> None:
    """Add every group of commands to the application."""
    for module in (org, key, quota, db, demo):
        app.cli.add_command(module.group)
