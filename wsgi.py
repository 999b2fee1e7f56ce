"""The entry point of gunicorn and of `flask --app wsgi`."""

import sys

from app import create_app
from app.observability.terminal import escape_unknown_signs
from app.serving.env_file import read_env_file
from config.settings import SettingsError

# By this code gunicorn knows a worker that cannot start, and ends instead of trying for ever.
CANNOT_START = 3

escape_unknown_signs()
read_env_file()
try:
    app = create_app()
except SettingsError as error:
    # The text says all that an operator needs; a traceback above it would hide it.
    sys.stderr.write(f"{error}\n")
    raise SystemExit(CANNOT_START) from None
