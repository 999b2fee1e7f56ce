"""Contain the failure of one element of a loop, so that the work on the others goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from app.backends import is_outage
from app.http.faults import AccountFault
from app.http.frames import frames_of

_TRY_LATER = "The next pass tries again."
_log = structlog.get_logger("turnledger.worker")


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure (`event`) of one element (`names`), and the kind of reason.

    Holds no exception text, which may quote data: `error` is the exception's type, `reason` a
    sentence of our own.
    """

    event: str
    names: dict[str, str]
    error: str
    reason: str
    places: list[str] = field(default_factory=list)

    @property
    def account(self) -> str:
        """The account or organization that it happened to; empty for a whole pass."""
        return self.names.get("account", "")

    @property
    def sentence(self) -> str:
        """The failure in one line for an operator."""
        subject = " ".join(self.names.values())
        # Of a fault of an account the reason says all.
        kind = "" if self.error == AccountFault.__name__ else f" ({self.error})"
        return f"{subject}: {self.event.replace('_', ' ')}{kind}. {self.reason}"


NoteFailure = Callable[[Failure], None]


def log_failure(failure: Failure) -> None:
    """Write a failure to the log."""
    _log.error(
        failure.event,
        **failure.names,
        error=failure.error,
        reason=failure.reason,
        at=failure.places,
    )


@dataclass(slots=True)
class Attempt:
    """The work on one element."""

    has_failed: bool = False


class Containment:
    """Reports and keeps the failures of single elements of one pass.

    An outage of a store is no element's failure: it passes through and ends the pass.
    """

    def __init__(self, note: NoteFailure = log_failure, next_step: str = _TRY_LATER) -> None:
        """`next_step` is what to do about a failure without a reason of our own."""
        self.failures: list[Failure] = []
        self._note = note
        self._next_step = next_step

    @contextmanager
    def of(self, event: str, **names: str) -> Iterator[Attempt]:
        """Contain what the body raises; `event` and `names` say what failed and for which element.

        Name an account or organization `account`. The attempt says afterwards whether it failed.
        """
        attempt = Attempt()
        try:
            yield attempt
        except Exception as error:
            if is_outage(error):
                raise
            attempt.has_failed = True
            reason = error.reason if isinstance(error, AccountFault) else self._next_step
            self._keep(Failure(event, names, type(error).__name__, reason, frames_of(error)))

    def warn(self, event: str, account: str, reason: str) -> None:
        """Report what is wrong with an account, although nothing has failed for it yet."""
        self._note(Failure(event, {"account": account}, AccountFault.__name__, reason))

    def _keep(self, failure: Failure) -> None:
        self.failures.append(failure)
        self._note(failure)
