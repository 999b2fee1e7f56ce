"""Errors of this room."""


class AuditNotWritten(Exception):
    """The database refuses the entry of a change, so the change is not made."""

    def __init__(self) -> None:
        super().__init__(
            "The audit trail cannot be written, so nothing was changed. "
            "Run `flask db init`, and repeat the change."
        )
