"""Explain why a text is not an instant; knows the usual mistakes of programs."""

import re
from datetime import date

EXAMPLE = "2026-11-23T10:00:00Z"
# Twice as long as any instant: a longer text is none of the usual mistakes.
_LONGEST = 70

_DATE = r"(?P<date>\d{4}-\d{2}-\d{2})"
_TIME = r"(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d{1,9})?)?"
_ZONE = r"(?:[Zz]|[+-](?P<offset_hour>\d{2}):(?P<offset_minute>\d{2}))"
_WRITTEN = re.compile(f"{_DATE}(?:[Tt]{_TIME}{_ZONE})?", re.ASCII)
_CLOCK = r"\d{2}:\d{2}(?::\d{2}(?:[.,]\d*)?)?"
_DAY = r"\d{4}-\d{2}-\d{2}"
_MISTAKES = tuple(
    (re.compile(pattern, re.ASCII), message)
    for pattern, message in (
        (r"\d{8}(?:[Tt]\d.*)?", f"must have hyphens and colons (extended format): {EXAMPLE}"),
        (rf"{_DAY}", f"must have a time and a zone, such as {EXAMPLE}"),
        (rf"{_DAY}[Tt]{_CLOCK}[+-]\d{{4}}", "must have a colon in its offset, such as +00:00"),
        (rf"{_DAY}[Tt]{_CLOCK}[+-]\d{{2}}", "must have minutes in its offset, such as +00:00"),
        (rf"{_DAY}[Tt]\d{{2}}:\d{{2}}[.,]\d+.*", "must have seconds before its fraction"),
        (rf"{_DAY}[Tt]{_CLOCK}", "must have a zone: add Z, or an offset such as +01:00"),
        (rf"{_DAY}[Tt]{_CLOCK} \d{{2}}:?\d{{2}}", "must have + or - before its offset"),
        (rf"{_DAY} {_CLOCK}.*", "must have a T between day and time"),
        (rf"{_DAY}[Tt]\d{{2}}:\d{{2}}:\d{{2}},\d+.*", "must have a point before its fraction"),
        (
            rf"{_DAY}[Tt]\d{{2}}:\d{{2}}:\d{{2}}\.\d{{10,}}.*",
            "may have at most 9 digits after the point",
        ),
    )
)


def explain(text: str) -> str:
    """Return what follows the field's name: what is wrong, and what to write."""
    if len(text) > _LONGEST:
        return f"must be an instant such as {EXAMPLE}"
    written = _WRITTEN.fullmatch(text)
    if written and (message := _explain_values(written)):
        return message
    for pattern, message in _MISTAKES:
        if pattern.fullmatch(text):
            return message
    return f"must be an ISO-8601 instant with a zone, such as {EXAMPLE}"


def _explain_values(written: re.Match[str]) -> str | None:
    """Return what is wrong with the numbers of a text in the right format."""
    if not _is_day(written["date"]):
        return f"names the day {written['date']}, which does not exist"
    if not _is_within(written, hour=23, minute=59, second=59):
        return "names a time that does not exist: hours are 00 to 23, minutes and seconds 00 to 59"
    if not _is_within(written, offset_hour=23, offset_minute=59):
        return "has an offset that does not exist: it is at most 23:59"
    return None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_within(written: re.Match[str], **maxima: int) -> bool:
    return all(int(written[name] or 0) <= maximum for name, maximum in maxima.items())
