"""One request and its answer, with names in place of values that differ between runs."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scripts.lib.conversation.names import INSTANT, Names, ms_of

# An answer may come this much later than the clock was read for it.
_SLACK_MS = 9_000
# Shorter waits are compared unchanged.
_SHORT_MS = 1_500
_SAMPLE = re.compile(r"^(\w+(?:\{.*\})?) \S+( .*)?$")
_WAIT = re.compile(r'("retry_after_ms": ?)(\d+)')
_AGE = re.compile(r'("(?:lag_s|sweep_age_s)": ?)[0-9.]+')
# Headers whose values differ between two runs; only presence and form are compared.
_BUCKET_FULL_AT = "x-ratelimit-reset"

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """The response of the service, as it was received."""

    status_line: str
    headers: Sequence[Header]
    body: bytes
    sent_ms: int

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.status_line.split()[1])

    def json(self) -> dict[str, object]:
        """Return the body as a JSON object; ValueError if it is none."""
        read: dict[str, object] = json.loads(self.body)
        return read

    def header(self, name: str) -> str | None:
        """Return the first header of this name."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request's label, and its answer in comparable form."""

    label: str
    status_line: str
    headers: tuple[str, ...]
    body: str

    def lines(self) -> Iterator[str]:
        """Return the exchange as text."""
        yield f"=== {self.label}"
        yield self.status_line
        yield from self.headers
        yield self.body


def exchange_of(label: str, answer: Answer, names: Names, length: int | None = None) -> Exchange:
    """Return the answer in comparable form.

    `length` is that of the body which `Content-Length` describes, if it is not the answer's own.
    """
    length = len(answer.body) if length is None else length
    text = answer.body.decode("utf-8", "backslashreplace")
    waited = _WaitedFor(answer, text, names)
    headers = tuple(_header(name, value, length, waited, names) for name, value in answer.headers)
    if (answer.header("content-type") or "").startswith("text/plain"):
        text = "\n".join(_without_value(line) for line in text.splitlines())
    text = _AGE.sub(r"\g<1><seconds>", text)
    return Exchange(label, answer.status_line, headers, names.text(waited.replace(text)))


def _header(name: str, value: str, length: int, waited: "_WaitedFor", names: Names) -> str:
    lower = name.lower()
    if lower == "date":
        value = "<date>"
    elif lower == "content-length" and value == str(length):
        value = "<length of the body>"
    elif lower == _BUCKET_FULL_AT and INSTANT.fullmatch(value):
        value = f"<instant sent{names.distance(ms_of(value))}>"
    elif lower == "retry-after":
        value = waited.name
    return f"{name}: {names.text(value)}"


def _without_value(line: str) -> str:
    found = _SAMPLE.match(line)
    return line if found is None or line.startswith("#") else f"{found[1]} <value>"


class _WaitedFor:
    """The wait that an answer names, as a relation: to an instant, or between its two forms."""

    def __init__(self, answer: Answer, text: str, names: Names) -> None:
        self._text, self._sent_ms, self._names = text, answer.sent_ms, names
        self._seconds = answer.header("retry-after")
        self.name = self._seconds or ""
        if self._seconds is None or not self._seconds.isdigit():
            return
        wait_ms = int(self._seconds) * 1_000
        instant = self._ending(wait_ms)
        # The hold began with an earlier request, so its rest is shorter by the time since.
        distance = names.distance(answer.sent_ms + wait_ms + 5_000)
        if instant:
            self.name = f"<seconds until {instant}>"
        elif wait_ms > _SLACK_MS + _SHORT_MS and distance:
            self.name = f"<seconds until sent{distance}>"

    def replace(self, text: str) -> str:
        """Return `text` with the wait's name in place of its numbers."""
        if self._seconds and self.name != self._seconds:
            text = re.sub(rf"\b{self._seconds} seconds\b", f"{self.name} seconds", text)
        return _WAIT.sub(self._in_milliseconds, text)

    def _in_milliseconds(self, found: re.Match[str]) -> str:
        rounded_up = -(-int(found[2]) // 1_000)
        if str(max(rounded_up, 1)) == self._seconds:
            return f"{found[1]}<{self.name} in milliseconds>"
        instant = self._ending(int(found[2]))
        return f"{found[1]}{f'<milliseconds until {instant}>' if instant else found[2]}"

    def _ending(self, wait_ms: int) -> str | None:
        """Return the instant of the answer at which a wait ends."""
        for found in INSTANT.findall(self._text):
            is_near = abs(ms_of(found) - self._sent_ms - wait_ms) < _SLACK_MS
            if is_near and wait_ms > _SHORT_MS:
                return self._names.text(found)
        return None
