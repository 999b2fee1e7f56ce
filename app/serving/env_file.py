"""Read `.env` in every program of ours as the `flask` command does.

Flask reads it before any code of ours runs, so the other programs follow its rules:

* The nearest `.env` is read, in the working directory or above it.
* A variable that the process already has, even an empty one, keeps its value.
* `FLASK_SKIP_DOTENV=1` disables it.
"""

from flask.cli import load_dotenv
from flask.helpers import get_load_dotenv


def read_env_file() -> None:
    """Set the variables of `.env` that the process does not have.

    Raises SystemExit if the file is not UTF-8 text.
    """
    if get_load_dotenv():
        try:
            load_dotenv()
        except (OSError, UnicodeError):
            raise SystemExit(
                ".env cannot be read: make it a file of UTF-8 text, or set FLASK_SKIP_DOTENV=1"
            ) from None
