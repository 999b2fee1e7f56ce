"""The odd turns of `turns.json` as bodies and as lines of files, with their expected results."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("turns.json")
_REPEATED = re.compile(r"<(.)\*(\d+)>")

CREATED = "created"
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Case:
    """One odd turn; `members` are raw JSON by name, `more` are raw members behind them."""

    name: str
    members: dict[str, str]
    more: str
    cells: dict[str, str] | None
    shows: dict[str, Any]
    expected: dict[str, str]

    def body(self, *, without: str = "") -> bytes:
        """Return the turn as JSON, exactly as the corpus has it."""
        members = [f'"{name}": {raw}' for name, raw in self.members.items() if name != without]
        return f"{{{', '.join([*members, *([self.more] if self.more else [])])}}}".encode()

    def result_at(self, entry: str) -> str:
        return self.expected.get(entry, self.expected["all"])


def cases() -> list[Case]:
    """Return every case with its own turn id and with current instants."""
    found = json.loads(_FILE.read_text("utf-8"))["cases"]
    names = _Names()
    return [_case(number, names.filled(case)) for number, case in enumerate(found)]


def _case(number: int, found: dict[str, Any]) -> Case:
    good = _good(number)
    changed = found.get("csv")
    cells = None if changed is None else good | changed
    raw = {name: cell if name == "latency_ms" else f'"{cell}"' for name, cell in good.items()}
    return Case(
        name=found["name"],
        members=raw | found.get("change", {}),
        more=found.get("more", ""),
        cells=cells,
        shows=found.get("shows", {}),
        expected=found["expect"],
    )


def _good(number: int) -> dict[str, str]:
    """Return the cells of a turn that every entry accepts, an hour old."""
    return {
        "turn_id": f"odd-{number}",
        "occurred_at": f"{_hour_ago():%Y-%m-%dT%H:%M:%SZ}",
        "mode": "stateless",
        "status": "completed",
        "personality_id": "pers_ada",
        "latency_ms": "1840",
    }


def _hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


class _Names:
    """Replaces the names in angle brackets in the corpus by values."""

    def __init__(self) -> None:
        moment = _hour_ago()
        self._instants = {
            "<date>": f"{moment:%Y-%m-%d}",
            "<clock>": f"{moment:%H:%M:%S}",
            "<basic-date>": f"{moment:%Y%m%d}",
            "<basic-clock>": f"{moment:%H%M%S}",
        }

    def filled(self, value: Any) -> Any:
        """Return `value` with every such name replaced, also inside objects and lists."""
        if isinstance(value, dict):
            return {name: self.filled(inner) for name, inner in value.items()}
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        for name, instant in self._instants.items():
            text = text.replace(name, instant)
        return _REPEATED.sub(lambda found: found[1] * int(found[2]), text)
