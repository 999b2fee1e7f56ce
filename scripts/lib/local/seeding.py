"""Make the schema and the demo in the stores that the environment names.

`python -m scripts.lib.local.seeding` seeds servers; the in-memory service calls `seed` itself.
"""

import os
import sys
from pathlib import Path

from app import create_app
from app.backends.outages import OUTAGES, as_outages, describe_outage
from app.cli.groups import EXPECTED, sentence
from app.observability.terminal import escape_unknown_signs
from app.schema import ensure_schema
from config.settings import SettingsError
from devkit.demo import has_working_keys, restore_demo
from scripts.lib.local.files import DataFolder
from scripts.lib.local.messages import Failure, say


def seed(folder: DataFolder, stores: str, turns_count: int) -> None:
    """Make the schema, and the demo unless the keys of it in `folder` still work."""
    ensure_schema()
    kept = folder.seed(stores)
    if kept is None or not has_working_keys(kept):
        say(f"seeding the demo with {turns_count} turns of history")
        folder.keep_seed(stores, restore_demo(turns_count, kept))


def main() -> None:
    """Seed live stores; print a failure as one line."""
    escape_unknown_signs()
    try:
        with as_outages(), create_app().app_context():
            folder = DataFolder(Path(os.environ["DATA_DIR"]))
            seed(folder, os.environ["DEMO_STORES"], int(os.environ["DEMO_TURNS"]))
    except EXPECTED as error:
        sys.exit(sentence(error))
    except (SettingsError, Failure) as error:
        sys.exit(str(error))
    except OUTAGES as outage:
        sys.exit(describe_outage(outage))


if __name__ == "__main__":
    main()
