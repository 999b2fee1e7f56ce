"""Errors of this room: plain exceptions whose text is a sentence for clients and operators."""

from app.reservations.limits import OLDEST_RESERVATION_HOURS


class ReservationError(Exception):
    """A turn cannot be reserved, completed or cancelled."""


class ReservationNotFound(ReservationError):
    """The id is malformed, or older than a reservation can be."""

    def __init__(self) -> None:
        super().__init__(
            "There is no such reservation: its id is malformed or older than "
            f"{OLDEST_RESERVATION_HOURS} hours."
        )


class TurnRecorded(ReservationError):
    """The turn is recorded: no reservation of it can be made or cancelled."""

    def __init__(self) -> None:
        super().__init__(
            "This turn_id is recorded already: nothing is left to reserve or cancel. "
            "Only if it is another turn, use a new turn_id."
        )


class ReservationConflict(ReservationError):
    """The turn is reserved with another relationship."""

    def __init__(self) -> None:
        super().__init__(
            "This turn_id is reserved with another relationship_id. "
            "Send that one, or a new turn_id."
        )
