"""Contain the failure of one element of a loop, so that the work on the others continues."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from app.backends.outages import is_store_down
from app.http.faults import AccountFault
from app.http.frames import frames_of

_TRY_LATER = "The next pass tries again."
_log = structlog.get_logger("turnledger.worker")


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure (`event`) of one element (`names`).

    It holds no exception text, which may quote data: `error` is the exception's type, `reason` a
    fixed sentence.
    """

    event: str
    names: dict[str, str]
    error: str
    reason: str
    frames: list[str] = field(default_factory=list)

    @property
    def account(self) -> str:
        """Return the account or organization that failed; empty for a whole pass."""
        return self.names.get("account", "")

    @property
    def sentence(self) -> str:
        """Return the failure as one line for an operator."""
        subject = " ".join(self.names.values())
        # For an account fault the reason is complete.
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
        at=failure.frames,
    )


@dataclass(slots=True)
class Attempt:
    """The work on one element."""

    has_failed: bool = False


class Containment:
    """Collects the failures of single elements of one pass and reports each.

    It does not contain an outage of a store, which ends the pass.
    """

    def __init__(self, note: NoteFailure = log_failure, next_step: str = _TRY_LATER) -> None:
        """Set `next_step`, the advice for a failure other than an account fault."""
        self.failures: list[Failure] = []
        self._note = note
        self._next_step = next_step

    @contextmanager
    def of(self, event: str, **names: str) -> Iterator[Attempt]:
        """Contain the body's exception; `event` and `names` say what failed and for which element.

        Pass an account or organization as `account`. `has_failed` of the attempt is set afterwards.
        """
        attempt = Attempt()
        try:
            yield attempt
        except Exception as error:
            if is_store_down(error):
                raise
            attempt.has_failed = True
            reason = error.reason if isinstance(error, AccountFault) else self._next_step
            self._keep(Failure(event, names, type(error).__name__, reason, frames_of(error)))

    def warn(self, event: str, account: str, reason: str) -> None:
        """Report a problem of an account for which nothing has failed yet."""
        self._note(Failure(event, {"account": account}, AccountFault.__name__, reason))

    def _keep(self, failure: Failure) -> None:
        self.failures.append(failure)
        self._note(failure)
