"""The whole service in one process, for machines without servers; all is lost when it ends.

gunicorn loads `app`. The demo is seeded on the way, because no other process could reach it.
"""

import os
from pathlib import Path

from app import create_app
from app.cli.demo import seed_demo
from app.schema import ensure_schema
from scripts.lib.local.files import DataFolder
from scripts.lib.local.stores import MEMORY

app = create_app()
with app.app_context():
    ensure_schema()
    DataFolder(Path(os.environ["DATA_DIR"])).keep_seed(
        MEMORY, seed_demo(int(os.environ["DEMO_TURNS"]))
    )
