"""Errors of this room: their texts are shown to operators."""


class ConsoleOff(Exception):
    """The console needs `OPERATOR_TOKEN`, which is not set."""

    def __init__(self) -> None:
        super().__init__("The console is off. Set `OPERATOR_TOKEN` and restart.")


class ConsoleBusy(Exception):
    """The process answers as many requests to the console as it may at the same time."""

    def __init__(self) -> None:
        super().__init__("Many pages of the console are being made. Retry after 1 second.")


class PageUnknown(Exception):
    """The console has no page at this path."""

    def __init__(self) -> None:
        super().__init__("The console has no such page. Start at `/console`.")


class SessionMissing(Exception):
    """A page of the console was asked for without a session of an operator."""

    def __init__(self) -> None:
        super().__init__("This needs a session of the console: log in at /console/login.")


class FormExpired(Exception):
    """A form of the console has no token, or that of another session."""

    def __init__(self) -> None:
        super().__init__(
            "This form is no longer valid. Open its page again, then send it once more."
        )
