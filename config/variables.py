"""Read environment variables, all of them by the same rules.

* Blanks around a value are no part of it.
* An empty or blank value means that the variable is not set, except for secrets.
* A quote around a value, a line end or another character that cannot be printed is refused. It
  comes from a file or shell that was read otherwise than meant, and looks different elsewhere.
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
_QUOTED = "stands in quotes: remove them"
_UNPRINTABLE = "has a line end or another character that cannot be printed: remove it"
_NOT_PLAIN = "has a blank, a quote or a line end in it: remove it"
_TOO_SHORT = f"needs at least {_SHORTEST_SECRET} random characters"


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of `environ`; `problems` collects the fix of each bad one by its name.

    Methods return None for a variable that is not set and for a bad one.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    problems: dict[str, str] = field(default_factory=dict)

    def text(self, name: str, check: Callable[[str], object] | None = None) -> str | None:
        """Return the value; a ValueError of `check` holds the fix of a bad one."""
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
        """Return the secrets of a comma list, one at least."""
        return self._secrets(name, self._utf8(name).split(","))

    def require(self, name: str, value: object) -> None:
        """Note a problem if the variable has no `value` and no problem yet."""
        if not value:
            self.problems.setdefault(name, "is not set")

    def _utf8(self, name: str) -> str:
        """Return the text as UTF-8 whatever the locale is: a secret must be the same everywhere."""
        text = self.environ.get(name, "")
        try:
            return os.fsencode(text).decode(errors="surrogateescape")
        except UnicodeEncodeError:  # no locale has read it
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
        # A locale of ASCII leaves the bytes of other signs as they are: a path may have some.
        return value.encode(errors="surrogateescape").decode().isprintable()
    except UnicodeError:
        return False


def _secret_problem(value: str) -> str | None:
    # On the next machine a blank or a quote may be missing, and then no key is valid.
    if not _is_printable(value) or any(sign in value for sign in f" {_QUOTES}"):
        return _NOT_PLAIN
    return _TOO_SHORT if len(value) < _SHORTEST_SECRET else None
