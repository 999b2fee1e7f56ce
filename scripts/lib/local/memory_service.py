"""The whole service in one process, for machines without servers; all is lost when it ends.

The demo is seeded by the worker itself, because no other process could reach it.
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
