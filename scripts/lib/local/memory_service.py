"""Serve from memory in one process, for machines without servers; data is lost at the end.

The process seeds the demo itself, because no other process can reach its memory.
"""

import os
from pathlib import Path

from flask import Flask

from app import create_app
from app.__main__ import main
from scripts.lib.local.files import DataFolder
from scripts.lib.local.seeding import seed
from scripts.lib.local.stores import MEMORY


def load() -> Flask:
    """Make the application, and the demo inside it."""
    app = create_app()
    with app.app_context():
        seed(DataFolder(Path(os.environ["DATA_DIR"])), MEMORY, int(os.environ["DEMO_TURNS"]))
    return app


if __name__ == "__main__":
    main(load)
