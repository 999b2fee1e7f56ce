"""How a turn or a model call ends: the table of ends, and time-outs of other packages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .values import Outcome

MAX_ERROR_CODE = 32
STREAM_CLOSED = "stream_closed"
CANCELLED = "cancelled"
PRODUCER_LOST = "producer_lost"
# Packages whose time-outs are recognised by the name of the class, without importing them.
_PACKAGES = frozenset(
    {
        *("openai", "anthropic", "litellm", "google", "botocore"),
        *("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "aiohttp"),
        *("socket", "builtins", "asyncio", "concurrent"),
    }
)
_TIMEOUT = re.compile(r"Time(d)?[oO]ut|DeadlineExceeded")
_NOT_A_LABEL = re.compile(r"[^a-z0-9_]")
_LEAVING = frozenset({"GeneratorExit", "CancelledError"})
_MOST_CAUSES = 10
_FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})
_STATUSES = {
    Outcome.COMPLETED: "completed",
    Outcome.BLOCKED: "guardrail_blocked",
    Outcome.FAILED: "failed",
    Outcome.TIMED_OUT: "timed_out",
    Outcome.CLOSED_EARLY: "completed",
    Outcome.CANCELLED: "failed",
}
_CODES = {Outcome.CLOSED_EARLY: STREAM_CLOSED, Outcome.CANCELLED: CANCELLED}


@dataclass(frozen=True, slots=True)
class End:
    """How a turn ended: `status` None cancels its reservation, and records nothing without one."""

    status: str | None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of a turn at its end.

    * `raised`: what the exception of its block says of it, as `outcome_of` returns it.
    * `failed_code`, `is_cancelled`: what the program said of it.
    * `has_started`: a model call began, or the program said so.
    * `has_token`: a first token was seen, or a call has ended with output tokens.
    * `last_call`: the outcome and error code of the call that ended last.
    * `is_last_outside`: that call ended after the block.
    """

    raised: tuple[Outcome, str] | None = None
    failed_code: str | None = None
    is_cancelled: bool = False
    has_started: bool = False
    has_token: bool = False
    last_call: tuple[Outcome, str | None] | None = None
    is_last_outside: bool = False


def end_of(signs: Signs) -> End:
    """Return how a turn ends.

    | how the block or its last call ends | status | `error_code` |
    | --- | --- | --- |
    | the program cancelled it; an exception before any model call | none | |
    | the program said that it failed | `failed` | as it said |
    | a time-out after a model call began | `timed_out` | class of the exception |
    | another exception after it | `failed` | class of the exception |
    | the reader left after the first token | `completed` | `stream_closed` |
    | the reader left before it | `failed` | `cancelled` |
    | the provider cut the stream after the block | `failed`, `timed_out` | class |
    | a filter stopped the answer | `guardrail_blocked` | |
    | otherwise, also if the block survived a failed call | `completed` | |
    """
    if signs.is_cancelled:
        return End(None)
    if signs.failed_code is not None:
        return End("failed", signs.failed_code)
    if signs.raised is not None:
        return _of_raised(*signs.raised, signs) if signs.has_started else End(None)
    outcome, code = signs.last_call or (Outcome.COMPLETED, None)
    if outcome in _FAILURES and not signs.is_last_outside:
        return End("completed")  # the block has survived the call
    return End(_STATUSES[outcome], _CODES.get(outcome, code))


def _of_raised(outcome: Outcome, code: str, signs: Signs) -> End:
    if outcome is Outcome.CANCELLED:
        return End("completed", STREAM_CLOSED) if signs.has_token else End("failed", CANCELLED)
    return End("timed_out" if outcome is Outcome.TIMED_OUT else "failed", code)


def outcome_of(error: BaseException) -> tuple[Outcome, str]:
    """Return how a call ended that raised `error`, and its error code.

    A time-out anywhere along the causes is a time-out. A reader that left (GeneratorExit, a
    cancelled task) is CANCELLED; the caller knows whether a token came before.
    """
    if type(error).__name__ in _LEAVING:
        return Outcome.CANCELLED, CANCELLED
    code = error_code_of(error)
    return (Outcome.TIMED_OUT if _is_timeout(error) else Outcome.FAILED), code


def error_code_of(error: BaseException) -> str:
    """Return the class of `error` in snake case, as a label that the wire takes."""
    name = type(error).__name__
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    label = _NOT_A_LABEL.sub("_", words).lstrip("_0123456789")
    return label[:MAX_ERROR_CODE] or "error"


def _is_timeout(error: BaseException) -> bool:
    seen: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if seen is None:
            return False
        for kind in type(seen).__mro__:
            package = str(kind.__module__).partition(".")[0]
            if package in _PACKAGES and _TIMEOUT.search(kind.__name__):
                return True
        seen = seen.__cause__ or seen.__context__
    return False
