"""Exceptions of the package."""


class TurnledgerError(Exception):
    """Report any failure of this package."""


class LedgerUnavailable(TurnledgerError):
    """Report that the fate of a request is unknown; it is safe to repeat."""


class NetworkError(LedgerUnavailable):
    """Report that no connection was made, or that it broke."""


class LedgerTimeoutError(LedgerUnavailable):
    """Report that the answer did not come in time."""


class OutboxError(TurnledgerError):
    """Report that the outbox cannot be used."""


class OutboxFullError(OutboxError):
    """Report that nothing may make room in the outbox."""


class OutboxDamagedError(OutboxError):
    """Report a damaged outbox that cannot be replaced."""
