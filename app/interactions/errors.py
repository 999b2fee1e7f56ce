"""Errors of this room: plain exceptions whose text is a sentence for clients and operators."""


class InteractionError(Exception):
    """A turn cannot be read, stored or imported."""


class TurnNotFound(InteractionError):
    """The id is unknown, another account's, or that of a turn older than 180 days."""

    def __init__(self) -> None:
        super().__init__("There is no such interaction.")


class TurnConflict(InteractionError):
    """A turn with this turn id and other content is stored already."""

    def __init__(self) -> None:
        super().__init__(
            "This turn_id is recorded already, with other content or at another instant. "
            "Only if it is another turn, send it under a new turn_id."
        )


class TurnCancelled(InteractionError):
    """The reservation of the turn was cancelled, and its turn id may not be used yet."""

    def __init__(self) -> None:
        super().__init__("The reservation of this turn_id was cancelled. Use a new turn_id.")


class TurnBeingRecorded(InteractionError):
    """Another request is recording the same turn, and its row cannot be read yet."""

    def __init__(self) -> None:
        super().__init__("The same turn is being recorded just now. Retry after 1 second.")


class ImportRefused(InteractionError):
    """The database refused a turn of a file that the schema accepts."""

    def __init__(self) -> None:
        super().__init__("The database refused what the schema accepts.")


class TurnNotStored(InteractionError):
    """The database refused a turn that the schema accepts; it was not charged."""

    def __init__(self) -> None:
        super().__init__("The turn could not be stored; it was not charged.")
