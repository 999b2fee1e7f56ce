"""The entry point of gunicorn and of `flask --app wsgi`."""

import os
import sys

from flask import Flask

from app import create_app, create_command_app
from app.observability.terminal import escape_unknown_signs
from app.serving.env_file import read_env_file
from config.settings import SettingsError

# By this code gunicorn knows a worker that cannot start, and ends instead of trying for ever.
CANNOT_START = 3


def _load() -> Flask:
    if _is_completion():
        return create_command_app()
    try:
        return create_app()
    except SettingsError as error:
        # The text says all that an operator needs; a traceback above it would hide it.
        sys.stderr.write(f"{error}\n")
        raise SystemExit(CANNOT_START) from None


def _is_completion() -> bool:
    """Return True if `flask` runs because a shell completes words of its command line."""
    return "FLASK_RUN_FROM_CLI" in os.environ and "_FLASK_COMPLETE" in os.environ


escape_unknown_signs()
read_env_file()
app = _load()
