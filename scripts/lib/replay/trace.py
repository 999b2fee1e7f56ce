"""Read recorded arrivals: the instant of each turn and its input and output tokens.

The format is that of the public Azure LLM inference traces: a header line, then
`2023-11-16 18:15:46.6805900,374,44`, in order of time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
EXAMPLE = "2023-11-16 18:15:46.6805900,374,44"
_LINE = re.compile(
    r"(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(?:\+00:00)?,(\d{1,8}),(\d{1,8})",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TraceError(Exception):
    """The file cannot be replayed; the message contains the line and the fix."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One turn of the trace: its line, and its offset from the first turn."""

    line: int
    offset_us: int
    context_tokens: int
    generated_tokens: int


def read_trace(path: Path) -> list[Arrival]:
    """Return every arrival of the file; TraceError if there is none or a line is wrong."""
    arrivals: list[Arrival] = []
    first_us = 0
    for line, text in _lines(path):
        instant_us, context_tokens, generated_tokens = _parse(path, line, text)
        first_us = first_us if arrivals else instant_us
        offset_us = instant_us - first_us
        if arrivals and offset_us < arrivals[-1].offset_us:
            raise TraceError(f"{path}, line {line} is earlier than the line before: sort the file")
        arrivals.append(Arrival(line, offset_us, context_tokens, generated_tokens))
    if not arrivals:
        raise TraceError(f"{path} contains no arrival: add lines such as {EXAMPLE}")
    return arrivals


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror}. Give the path of a trace.") from None
    except UnicodeDecodeError:
        raise TraceError(f"{path} is not text in UTF-8: give a trace as CSV") from None
    if not lines or lines[0] != HEADER:
        raise TraceError(f"{path}, line 1 must be the header {HEADER}")
    return ((number, text) for number, text in enumerate(lines[1:], 2) if text)


def _parse(path: Path, line: int, text: str) -> tuple[int, int, int]:
    found = _LINE.fullmatch(text)
    moment = found and _moment(f"{found[1]}T{found[2]}+00:00")
    if found is None or moment is None:
        raise TraceError(
            f"{path}, line {line} is not an arrival: {text[:80]!r}. "
            f"Correct or remove it; a valid line is {EXAMPLE}"
        )
    # Digits beyond microseconds are dropped: no clock here is finer.
    fraction_us = int((found[3] or "0").ljust(6, "0")[:6])
    instant_us = (moment - _EPOCH) // timedelta(microseconds=1) + fraction_us
    return instant_us, int(found[4]), int(found[5])


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
