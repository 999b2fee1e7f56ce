"""The entry point of gunicorn and of `flask --app wsgi`."""

from app import create_app
from config.settings import SettingsError

try:
    app = create_app()
except SettingsError as error:
    # The text says all that an operator needs; a traceback above it would hide it.
    raise SystemExit(str(error)) from None
