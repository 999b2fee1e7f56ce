"""Make the example files, and write them."""

import json
import shutil
from pathlib import Path
from typing import Any

from app import create_app
from app.backends import memory
from app.reference.examples import FOLDER
from app.schema import ensure_schema
from tests.callers import new_caller
from tests.examples import errors, operations
from tests.examples.constant import constant_surroundings
from tests.servers import settings_for

START = "2026-11-23T10:00:00.000Z"


def recorded() -> dict[str, Any]:
    """Return the content of each file, by its name below the folder of examples."""
    with constant_surroundings(START) as clock:
        backend = memory.connect()
        app = create_app(settings_for(), backend)
        app.testing = True
        try:
            with app.app_context():
                ensure_schema()
            caller = new_caller(app, "pro")
            by_operation = operations.record(app, caller)
            by_code = errors.record(app, clock, caller)
        finally:
            backend.close()
    contents = {f"{name}.json": content for name, content in by_operation.items()}
    return contents | {f"errors/{code}.json": content for code, content in by_code.items()}


def stored(folder: Path = FOLDER) -> dict[str, Any]:
    """Return the content of each file that is there."""
    files = folder.rglob("*.json")
    return {str(file.relative_to(folder)): json.loads(file.read_text()) for file in files}


def write(folder: Path = FOLDER) -> None:
    """Replace all files."""
    contents = recorded()
    shutil.rmtree(folder)
    for name, content in contents.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content, indent=2, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")
