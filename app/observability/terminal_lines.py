"""Write log lines for people: short, coloured by how serious they are.

Used if standard output is a terminal; pipes and files get JSON. `NO_COLOR` removes the colours.
"""

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.http.problems import is_error
from app.observability.answer import Answer

_DIM, _RED, _GREEN, _YELLOW = "2", "31", "32", "33"
_BY_LEVEL = {"error": _RED, "warning": _YELLOW}
_SERVER_ERROR = 5


def request_line(answer: Answer, at: datetime) -> str:
    """Return the line of a request: `14:31:52 GET /v1/me 200 1.9 ms org_01J… 01M8…`."""
    colour = _GREEN
    if is_error(answer.status):
        colour = _RED if answer.status // 100 == _SERVER_ERROR else _YELLOW
    facts = [answer.error_code, ",".join(answer.fields), answer.organization]
    return " ".join(
        [
            _coloured(_DIM, f"{at:%H:%M:%S}"),
            f"{_escaped(answer.method):6} {answer.route}",
            _coloured(colour, f"{answer.status}"),
            f"{answer.duration_ms:.1f} ms",
            *[fact for fact in facts if fact],
            _coloured(_DIM, answer.request_id),
        ]
    )


def event_line(_logger: object, _method: str, event: Mapping[str, Any]) -> str:
    """Return the line of an event: its time, its level, its name and its facts (for structlog)."""
    facts = dict(event)
    at, level, name = (str(facts.pop(each, "")) for each in ("timestamp", "level", "event"))
    shown = " ".join(f"{key}={_escaped(str(value))}" for key, value in facts.items())
    words = [
        _coloured(_DIM, at[11:19]),
        _coloured(_BY_LEVEL.get(level, _GREEN), level),
        name,
        shown,
    ]
    return " ".join(word for word in words if word)


def _coloured(code: str, text: str) -> str:
    if not text or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def _escaped(text: str) -> str:
    """Return `text` without control characters, which a terminal would obey."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()
