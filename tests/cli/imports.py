"""Files of turns and what an import of them answers."""

import csv
import json
from pathlib import Path
from typing import Any

from click.testing import Result

from tests.turns import DAY_MS, Body, at, now_ms

HEAD = [
    *("turn_id", "occurred_at", "mode", "status", "user_id", "relationship_id", "personality_id"),
    *("latency_ms", "usage.turns_consumed", "inferred_emotional_state.primary"),
    *("inferred_emotional_state.confidence", "memory.consulted", "guardrails.applied"),
]
SHORT_HEAD = "turn_id,occurred_at,mode,status,personality_id,latency_ms"


def ndjson(folder: Path, *lines: Body | str) -> Path:
    """Make a file with these lines."""
    file = folder / "turns.ndjson"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("\n".join(texts) + "\n")
    return file


def csv_file(folder: Path, *rows: list[Any], head: list[str] = HEAD) -> Path:
    file = folder / "turns.csv"
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([head, *rows])
    return file


def counts(result: Result) -> dict[str, int]:
    """Return the counts, except those of the archive."""
    printed: dict[str, int] = json.loads(result.stdout)
    assert isinstance(printed.pop("archived"), int)
    return printed


def faults(result: Result) -> list[str]:
    """Return the lines on standard error."""
    lines: list[str] = result.stderr.splitlines()
    return lines


def text_file(folder: Path, name: str, *lines: str | bytes, end: bytes = b"\n") -> Path:
    """Make a file with exactly these lines."""
    file = folder / name
    encoded = [line.encode() if isinstance(line, str) else line for line in lines]
    file.write_bytes(b"".join(line + end for line in encoded))
    return file


def row(turn_id: str, **changes: str) -> str:
    """Return a line under `SHORT_HEAD`."""
    fields = {"occurred_at": str(old(1)["occurred_at"]), "latency_ms": "7"} | changes
    return f"{turn_id},{fields['occurred_at']},stateless,failed,pers_ada,{fields['latency_ms']}"


def old(days: int, **changes: Any) -> Body:
    return at(now_ms() - days * DAY_MS, **changes)
