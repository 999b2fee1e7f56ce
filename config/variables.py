"""Read environment variables, all by the same rules.

* Blanks around a value are removed.
* An empty or blank value means that the variable is not set. Exception: a secret of blanks only, or
  an empty one in a list of several, is refused as too short.
* A quote around a value, a line end or another unprintable character is refused. It shows that a
  file or shell was read differently than intended, and another machine may read another value.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_BLANKS = " \t"
_QUOTES = "\"'"
_SHORTEST_SECRET = 32
_WHOLE_NUMBER = re.compile("[0-9]{1,9}")
_QUOTED = "is in quotes: remove them"
_UNPRINTABLE = "contains a line end or another unprintable character: remove it"
_NOT_PLAIN = "contains a blank, a quote or a line end: remove it"
_TOO_SHORT = f"needs at least {_SHORTEST_SECRET} random characters"


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of `environ`; `problems` collects the fix of each bad variable, by its name.

    Methods return None for a variable that is not set and for a bad one.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    problems: dict[str, str] = field(default_factory=dict)

    def text(self, name: str, check: Callable[[str], object] | None = None) -> str | None:
        """Return the value; the text of a ValueError of `check` is the fix."""
        value = self.environ.get(name, "").strip(_BLANKS)
        if not value:
            return None
        problem = _problem(value)
        if problem is None and check is not None:
            try:
                check(value)
            except ValueError as error:
                problem = str(error)
        if problem is not None:
            self.problems[name] = problem
            return None
        return value

    def number(self, name: str, lowest: int, highest: int) -> int | None:
        """Return a whole number within its bounds."""
        fix = f"set a whole number from {lowest} to {highest}, or unset it"

        def check(value: str) -> None:
            if not _WHOLE_NUMBER.fullmatch(value) or not lowest <= int(value) <= highest:
                raise ValueError(fix)

        value = self.text(name, check)
        return None if value is None else int(value)

    def choice(self, name: str, values: Iterable[str]) -> str | None:
        """Return one of `values`."""
        known = tuple(values)

        def check(value: str) -> None:
            if value not in known:
                raise ValueError(f"set one of {', '.join(known)}, or unset it")

        return self.text(name, check)

    def file(self, name: str) -> Path | None:
        """Return the path of a file that can be read."""
        value = self.text(name, require_file)
        return None if value is None else Path(value)

    def secret(self, name: str) -> str | None:
        """Return a secret of at least 32 characters."""
        found = self._secrets(name, [self._utf8(name)])
        return found[0] if found else None

    def secrets(self, name: str) -> tuple[str, ...] | None:
        """Return the secrets of a comma-separated list, at least one."""
        return self._secrets(name, self._utf8(name).split(","))

    def require(self, name: str, value: object) -> None:
        """Add the problem "is not set" if the variable has no `value` and no problem yet."""
        if not value:
            self.problems.setdefault(name, "is not set")

    def _utf8(self, name: str) -> str:
        """Return the text as UTF-8 in every locale: a secret must be the same everywhere."""
        text = self.environ.get(name, "")
        try:
            return os.fsencode(text).decode(errors="surrogateescape")
        except UnicodeEncodeError:  # the text does not come from the environment's bytes
            return text

    def _secrets(self, name: str, items: list[str]) -> tuple[str, ...] | None:
        if items == [""]:
            return None
        found = tuple(item.strip(_BLANKS) for item in items)
        problem = next(filter(None, map(_secret_problem, found)), None)
        if problem is not None:
            self.problems[name] = problem
            return None
        return found


def require_file(value: str) -> None:
    """Raise ValueError unless `value` is the path of a file that can be read."""
    if not Path(value).is_file() or not os.access(value, os.R_OK):
        raise ValueError("set a file that can be read")


def _problem(value: str) -> str | None:
    if not _is_printable(value):
        return _UNPRINTABLE
    return _QUOTED if value[0] in _QUOTES or value[-1] in _QUOTES else None


def _is_printable(value: str) -> bool:
    try:
        # In an ASCII locale other characters of a path are undecoded bytes.
        return value.encode(errors="surrogateescape").decode().isprintable()
    except UnicodeError:
        return False


def _secret_problem(value: str) -> str | None:
    # Another reader may drop a blank or a quote, and then no key is valid.
    if not _is_printable(value) or any(character in value for character in f" {_QUOTES}"):
        return _NOT_PLAIN
    return _TOO_SHORT if len(value) < _SHORTEST_SECRET else None
