"""Read the variables that callers set for the scripts."""

import os
from pathlib import Path

from app.observability.terminal import escape_unknown_signs
from app.serving.env_file import read_env_file
from config.variables import Variables
from scripts.lib import ROOT

DATA_DIR = "DATA_DIR"


def caller_path(path: Path) -> Path:
    """Return `path` relative to the caller's folder; the scripts themselves run in the checkout."""
    return Path(os.environ.get("CALLER_DIR", "")).absolute() / path


def begin() -> None:
    """Prepare a script: escape output, make the caller's `DATA_DIR` absolute, read `.env`."""
    escape_unknown_signs()
    given = Variables().text(DATA_DIR)
    if given is not None:
        os.environ[DATA_DIR] = str(caller_path(Path(given)))
    read_env_file()


def data_dir(variables: Variables) -> Path:
    """Return the folder of the local run."""
    return Path(variables.text(DATA_DIR) or ROOT / "var").absolute()
