"""Errors of this room: plain exceptions whose text is a sentence for clients and operators."""

from fractions import Fraction

from app.http.instants import format_us


class AdmissionError(Exception):
    """A request or a turn is not admitted."""


class RateLimited(AdmissionError):
    """The token bucket lacks the `tokens` of the request; they are there after `wait_us`."""

    def __init__(self, rate: Fraction, wait_us: int, tokens: int = 1) -> None:
        super().__init__(f"Rate limit exceeded. Retry after {_seconds(wait_us)}.")
        self.rate = rate
        self.wait_us = wait_us
        self.tokens = tokens


class TooManyReservations(AdmissionError):
    """`limit` reservations are open; fewer are after `wait_us`."""

    def __init__(self, limit: int, wait_us: int) -> None:
        super().__init__(
            f"{limit} reservations are open. Complete or cancel some, or retry after "
            f"{_seconds(wait_us)}, when enough of them have expired."
        )
        self.limit = limit
        self.wait_us = wait_us


class ConcurrencyExceeded(AdmissionError):
    """The organization has `limit` requests in flight, or as many heavy ones.

    When one of them ends is unknown: a wait is advice, not a promise.
    """

    def __init__(self, limit: int, *, is_heavy: bool) -> None:
        kind = "exports, batches, filtered aggregates and breakdowns" if is_heavy else "requests"
        super().__init__(
            f"Too many {kind} of your organization are in progress. Send fewer at the same time, "
            "and retry after 1 second."
        )
        self.limit = limit
        self.is_heavy = is_heavy


class QuotaExhausted(AdmissionError):
    """The quota refuses a turn; it fits after `wait_us`.

    `component` is the exhausted one: `turns`, `uncharged_turns` or `active_relationships`.
    `held_until_us` is set if open reservations hold what is left and expire before the period ends.
    """

    def __init__(
        self,
        component: str,
        *,
        used: int,
        limit: int | None,
        resets_at_us: int,
        held_until_us: int | None,
        wait_us: int,
    ) -> None:
        ceiling, resets_at = f"{limit} {component.replace('_', ' ')}", format_us(resets_at_us)
        if component == "uncharged_turns":
            sentence = (
                f"{used} turns that cost nothing are recorded in this billing period, and {limit} "
                f"are allowed. More are refused until {resets_at}; turns with a cost are still "
                "recorded. Upgrade the plan or wait."
            )
        elif held_until_us is None:
            sentence = (
                f"The quota of {ceiling} is spent until {resets_at}. Upgrade the plan or wait."
            )
        else:
            sentence = (
                f"Open reservations hold what is left of the quota of {ceiling}. Cancel some, or "
                f"retry after {format_us(held_until_us)}, when enough of them have expired."
            )
        super().__init__(sentence)
        self.component = component
        self.used = used
        self.limit = limit
        self.resets_at_us = resets_at_us
        self.held_until_us = held_until_us
        self.wait_us = wait_us


class CountersUnavailable(AdmissionError):
    """The account's counters are needed and cannot be read or charged."""

    def __init__(self) -> None:
        super().__init__("The service cannot reach its store just now. Retry after 1 second.")


class SeedingTimeout(CountersUnavailable):
    """Counters were not ready before the deadline; loading usually continues, so retry."""


def whole_seconds(wait_us: int) -> int:
    """Return a wait in whole seconds, at least 1, rounded up so that the retry is admitted."""
    return max(1, -(-wait_us // 1_000_000))


def _seconds(wait_us: int) -> str:
    count = whole_seconds(wait_us)
    return f"{count} second{'s' if count > 1 else ''}"
