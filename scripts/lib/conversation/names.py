"""Names for values that differ between two runs of the same conversation."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# Distances between a request and the instants in its answer.
DURATIONS_S = (0, 10, 20, 150, 600, 3_600, 86_400, 30 * 86_400, 365 * 86_400, -180 * 86_400)
_EARLY_S, _LATE_S = -1, 8
# Distances between stored instants: a hold or a charge and its expiry.
STORED_S = (10, 20, 150, 300, 600, 3_600)
_RUN_MS = 7_200_000
_UNITS = frozenset({"instant", "us", "ms"})
_ULID_TIME_LENGTH = 10
_LOOKUP = slice(10, 18)
_HINT_LENGTH = 14
_KEY_LENGTH = 56

_ULID_SIGNS = "0-9A-HJKMNP-TV-Z"
_PATTERN = re.compile(
    rf"""
    (?P<key>\buniq_(?:live|test)_[0-9A-Za-z]{{46}}\b)
    | (?P<hint>\buniq_(?:live|test)_[0-9A-Za-z]{{4}}\b)
    | (?P<cursor>\b[A-Za-z0-9_-]{{60,}}\.[A-Za-z0-9_-]{{30,}}(?![A-Za-z0-9_-]))
    | (?P<ulid>(?<![0-9A-Za-z])[0-7](?i:[{_ULID_SIGNS}]{{25}})(?![0-9A-Za-z]))
    | (?P<us>\b1\d{{15}}\b)
    | (?P<ms>\b1\d{{12}}\b)
    | (?P<turn>(?<![0-9A-Za-z])[{_ULID_SIGNS}]{{16}}(?![0-9A-Za-z]))
    | (?P<digest>\b[0-9a-f]{{64}}\b)
    | (?P<object>\b[0-9a-f]{{24}}\b)
    | (?P<relationship>~[A-Za-z0-9_-]{{22}}(?![A-Za-z0-9_-]))
    | (?P<instant>{INSTANT.pattern})
    """,
    re.VERBOSE,
)


class Names:
    """The names that one side has given so far.

    A value keeps its first name, which contains the number of its first answer: `<ulid 017.2>`.
    """

    def __init__(self, began_ms: int) -> None:
        self._began_ms = began_ms
        self._at_ms: int | None = None
        self._label = "setup"
        self._counts: Counter[str] = Counter()
        self._known: dict[str, str] = {}
        # Instants that an answer has shown; stored numbers may be the same instants.
        self._shown_ms: dict[int, str] = {}
        self._lookups: dict[str, str] = {}
        self._sent_ms: set[int] = set()
        # The turns that are named beside a stored instant, and on the current line.
        self._stored_us: dict[int, set[str]] = {}
        self._turns: set[str] = set()

    def begin(self, label: str, at_ms: int | None = None, sent: str = "") -> None:
        """Name what follows after `label`, a request at `at_ms` or no request.

        The instants that were `sent` stay as they are.
        """
        self._label, self._at_ms = label, at_ms
        self._counts.clear()
        self._sent_ms.update(ms_of(found) for found in INSTANT.findall(sent))

    def give(self, value: str, name: str) -> None:
        """Name `value` as the caller wants."""
        self._keep(value, f"<{name}>")
        if INSTANT.fullmatch(value):
            self._shown_ms[ms_of(value)] = f"<{name}>"

    def text(self, text: str) -> str:
        """Return `text` with names in place of values."""
        named = _PATTERN.sub(self._name, text)
        for lookup, name in self._lookups.items():
            named = named.replace(lookup, name)
        return named

    def lines(self, lines: Iterable[str]) -> list[str]:
        """Return `lines`, sorted without regard to the names in them."""
        ordered = sorted(lines, key=lambda line: (self._anonymous(line), line))
        for line in ordered:
            for found in _PATTERN.finditer(line):
                if found.lastgroup == "us":
                    self._stored_us.setdefault(int(found[0]), set()).update(_turns_in(line))
        return [self._line(line) for line in ordered]

    def _line(self, line: str) -> str:
        self._turns = _turns_in(line)
        return self.text(line)

    def distance(self, at_ms: int) -> str | None:
        """Return the class of the distance from the request to `at_ms`; None without a class."""
        if self._at_ms is None:
            return None
        offset_s = (at_ms - self._at_ms) / 1_000
        for duration_s in DURATIONS_S:
            if _EARLY_S <= offset_s - duration_s < _LATE_S:
                return f"{duration_s:+d}s"
        return None

    def _anonymous(self, line: str) -> str:
        def find(found: re.Match[str]) -> str:
            return self._find(str(found.lastgroup), found[0]) or f"<{found.lastgroup}>"

        return _PATTERN.sub(find, line)

    def _name(self, found: re.Match[str]) -> str:
        kind, value = str(found.lastgroup), found[0]
        relation = self._relation(int(value)) if kind == "us" else None
        known = self._find(kind, value)
        if relation:
            return f"{relation} = {known}" if known else relation
        return known or self._make(kind, value)

    def _relation(self, at_us: int) -> str | None:
        """Return `<name>+150s` for an instant exactly so much later than another of its turn."""
        for seconds in STORED_S:
            earlier_us = at_us - seconds * 1_000_000
            if self._turns & self._stored_us.get(earlier_us, set()):
                earlier = self._find("us", str(earlier_us)) or self._make("us", str(earlier_us))
                return f"{earlier}+{seconds}s"
        return None

    def _find(self, kind: str, value: str) -> str | None:
        """Return the name that is known, or the value itself if it is the same on both sides."""
        if value in self._known or kind not in _UNITS:
            return self._known.get(value)
        at_ms = _ms_of(kind, value)
        if kind != "instant" and at_ms in self._shown_ms:
            return f"{self._shown_ms[at_ms]}{kind}"
        is_ours = self._began_ms - 5_000 <= at_ms <= self._began_ms + _RUN_MS
        return None if self._is_named(at_ms, is_ours=is_ours) else value

    def _is_named(self, at_ms: int, *, is_ours: bool) -> bool:
        return at_ms not in self._sent_ms and (is_ours or self.distance(at_ms) is not None)

    def _make(self, kind: str, value: str) -> str:
        self._counts[kind] += 1
        name = f"{kind} {self._label}.{self._counts[kind]}"
        if kind not in _UNITS:
            return self._keep(value, f"<{name}>")
        at_ms = _ms_of(kind, value)
        distance = self.distance(at_ms)
        self._known[value] = f"<{name}{f' sent{distance}' if distance else ''}>"
        if kind == "instant":
            self._shown_ms[at_ms] = self._known[value]
        return self._known[value]

    def _keep(self, value: str, name: str) -> str:
        self._known[value] = name
        if len(value) == _KEY_LENGTH and value.startswith("uniq_"):
            # An answer may show the hint before the key.
            self._known.setdefault(value[:_HINT_LENGTH], f"{name}.hint")
            self._lookups[value[_LOOKUP]] = f"{name}.lookup"
        elif _is_ulid(value):
            # The rest of an interaction's id names its turn in Redis and MongoDB.
            self._known.setdefault(value[_ULID_TIME_LENGTH:], f"{name}.turn")
        return name


def ms_of(instant: str) -> int:
    """Return the milliseconds since 1970 of `2026-11-30T09:00:00.000Z`."""
    return round(datetime.fromisoformat(instant).timestamp() * 1_000)


def instant_of(at_ms: int) -> str:
    """Return `at_ms` as the service writes instants."""
    moment = datetime.fromtimestamp(at_ms / 1_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ms_of(kind: str, value: str) -> int:
    if kind == "instant":
        return ms_of(value)
    return int(value) // (1_000 if kind == "us" else 1)


def _turns_in(line: str) -> set[str]:
    found = {each[0]: each.lastgroup for each in _PATTERN.finditer(line)}
    turns = {value for value, kind in found.items() if kind == "turn"}
    return turns | {v[_ULID_TIME_LENGTH:] for v, kind in found.items() if kind == "ulid"}


def _is_ulid(value: str) -> bool:
    found = _PATTERN.fullmatch(value)
    return found is not None and found.lastgroup == "ulid"
