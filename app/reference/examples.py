"""Load the examples: answers that the service gave, recorded by `python -m tests.examples`.

`examples/OPERATION.json` maps each status to an exchange; `examples/errors/CODE.json` is one
exchange. A request has a `line` and perhaps a `body`; a response has `status`, `headers` and, if it
is JSON, a `body`.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "examples"
Exchange = Mapping[str, Any]


@cache
def exchanges_of(operation_id: str) -> Mapping[str, Exchange]:
    """Return the recorded exchanges of an operation by status; none if it has no file."""
    file = FOLDER / f"{operation_id}.json"
    return _read(file) if file.exists() else {}


@cache
def error_exchange(code: str) -> Exchange:
    """Return the recorded exchange of an error code."""
    return _read(FOLDER / "errors" / f"{code}.json")


def _read(file: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
