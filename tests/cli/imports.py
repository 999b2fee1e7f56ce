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
    reported: dict[str, int] = json.loads(result.stdout)
    assert isinstance(reported.pop("archived"), int)
    return reported


def faults(result: Result) -> list[str]:
    """Return the lines on standard error."""
    reported: list[str] = result.stderr.splitlines()
    return reported


def text_file(folder: Path, name: str, *lines: str | bytes, end: bytes = b"\n") -> Path:
    """Make a file with exactly these lines."""
    file = folder / name
    reported = [line.encode() if isinstance(line, str) else line for line in lines]
    file.write_bytes(b"".join(line + end for line in reported))
    return file


def row(turn_id: str, **changes: str) -> str:
    """Return a line under `SHORT_HEAD`."""
    reported = {"occurred_at": str(old(1)["occurred_at"]), "latency_ms": "7"} | changes
    return f"{turn_id},{reported['occurred_at']},stateless,failed,pers_ada,{reported['latency_ms']}"


def old(days: int, **changes: Any) -> Body:
    return at(now_ms() - days * DAY_MS, **changes)
