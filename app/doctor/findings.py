"""Findings of checks, and how one check fails without the others."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from app.backends.outages import OUTAGES, as_outages
from app.backends.reasons import reason_of
from app.http.frames import frames_of


class State(StrEnum):
    """The urgency of a finding."""

    OK = "ok"
    LOOK = "look"  # it works, or cannot be checked: have a look
    BAD = "bad"  # something does not work


class Finding(NamedTuple):
    """The result of a check; `next_step` is empty if there is nothing to do."""

    check: str
    state: State
    text: str
    next_step: str = ""


Check = Callable[[], Finding | Iterable[Finding]]


def contained(name: str, check: Check) -> Iterator[Finding]:
    """Yield the findings of `check`; its failure is a finding too."""
    try:
        with as_outages():
            found = check()
            yield from [found] if isinstance(found, Finding) else found
    except OUTAGES as error:
        text = f"not checked: its store is unavailable ({reason_of(error)})"
        yield Finding(name, State.LOOK, text, "fix the store first")
    except Exception as error:
        text = f"the check failed for an unknown reason ({type(error).__name__})"
        yield Finding(name, State.BAD, text, f"report it with {'; '.join(frames_of(error)[-2:])}")
