"""The whole service in one process, for machines without servers; all is lost when it ends.

gunicorn loads `app`. The demo is seeded on the way, because no other process could reach it.
"""

import os
from pathlib import Path

from app import create_app
from scripts.lib.local.files import DataFolder
from scripts.lib.local.seeding import seed
from scripts.lib.local.stores import MEMORY

app = create_app()
with app.app_context():
    seed(DataFolder(Path(os.environ["DATA_DIR"])), MEMORY, int(os.environ["DEMO_TURNS"]))
